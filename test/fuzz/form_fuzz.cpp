// Any bytes as a form: what is decoded is a list of members in order, and the form that is made of it again
// has the same members. No JSON document is a form.
#include "core/base/utf8.hpp"
#include "core/events/form.hpp"

#include "fuzz.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

using namespace callhardening;

namespace
{

using Members = std::vector<std::pair<std::string, std::string>>;

struct Decoded {
    FormFlaw flaw;
    Members members;
};

Decoded Decode(std::string_view body)
{
    std::vector<char> room(body.size() + 1);
    std::vector<FormMember> places(CountFormMembers(body));
    const Form form = DecodeForm(body, room, places);
    Decoded decoded{form.flaw, {}};
    for (const FormMember &member : form.members)
        decoded.members.emplace_back(member.name, member.value);
    return decoded;
}

// Each byte escaped, so that nothing is left to be guessed.
std::string Encode(const std::string &text)
{
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        encoded += '%';
        encoded += digits[static_cast<unsigned char>(c) >> 4];
        encoded += digits[static_cast<unsigned char>(c) & 15];
    }
    return encoded;
}

// The first member is one that every form may begin with.
std::string Encode(const Members &members)
{
    std::string body = "_=";
    for (const auto &[name, value] : members)
        body += '&' + Encode(name) + '=' + Encode(value);
    return body;
}

bool HasFirst(const std::pair<std::string, std::string> &a, const std::pair<std::string, std::string> &b)
{
    return a.first < b.first;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string body(ToText(data, size));
    const Decoded decoded = Decode(body);
    Require((decoded.flaw == FormFlaw::not_a_form) == !LooksLikeForm(body), "two answers to one question");
    Require(!LooksLikeForm(body) || !nlohmann::json::accept(body), "a JSON document is taken for a form");
    Require(decoded.flaw == FormFlaw::none || decoded.members.empty(), "a form with a flaw has members");
    if (decoded.flaw != FormFlaw::none)
        return 0;
    Require(!decoded.members.empty(), "a form has no members");
    Require(std::is_sorted(decoded.members.begin(), decoded.members.end(), HasFirst),
            "names are in disorder");
    for (const auto &[name, value] : decoded.members)
        Require(IsUtf8(name) && IsUtf8(value) && (name + value).find('\0') == std::string::npos,
                "a text is no text for PostgreSQL");
    if (decoded.members.size() == most_form_members)
        return 0;
    Members again = Decode(Encode(decoded.members)).members;
    again.erase(std::find(again.begin(), again.end(), std::pair<std::string, std::string>("_", "")));
    Require(again == decoded.members, "a form that was made of members has others");
    return 0;
}
