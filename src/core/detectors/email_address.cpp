#include "core/detectors/email_address.hpp"

#include "core/detectors/letters.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

// The longest beginning that is a name with a top-level domain of letters. `begin`: none.
std::size_t DomainEnd(std::string_view text, std::size_t begin) noexcept
{
    const std::size_t limit = std::min(text.size(), begin + longest_domain);
    std::size_t end = begin, label = begin;
    bool letters = true;
    for (std::size_t i = begin;; ++i) {
        const char c = i < limit ? text[i] : ' ';
        if (HasClass(c, alpha_letter))
            continue;
        if (letters && label > begin && i - label >= 2)
            end = i;
        if (c == '.' && i > label) {
            label = i + 1;
            letters = true;
        } else if (HasClass(c, label_letter)) {
            letters = false;
        } else {
            return end;
        }
    }
}

// logo@2x.png is a picture.
bool IsPictureScale(std::string_view host) noexcept
{
    return host.size() > 2 && IsAsciiDigit(host[0]) && host[1] == 'x' && host[2] == '.';
}

std::size_t NamedHostEnd(std::string_view text, std::size_t begin) noexcept
{
    return IsPictureScale(text.substr(begin)) ? begin : DomainEnd(text, begin);
}

// After `sip:` any host counts.
std::size_t AnyHostEnd(std::string_view text, std::size_t begin) noexcept
{
    const std::size_t limit = std::min(text.size(), begin + longest_domain);
    std::size_t end = begin;
    while (end < limit && (HasClass(text[end], label_letter) || text[end] == '.'))
        ++end;
    while (end > begin && text[end - 1] == '.')
        --end;
    return end;
}

// The end of the host after an `@`. `begin`: none.
std::size_t HostEnd(std::string_view text, std::size_t begin, bool any_host) noexcept
{
    const std::size_t end = NamedHostEnd(text, begin);
    return any_host ? std::max(end, AnyHostEnd(text, begin)) : end;
}

std::size_t SipBegin(std::string_view text, std::size_t from, std::size_t i) noexcept
{
    const std::size_t begin = SchemeBegin(text, from, i, "sips:");
    return begin < i ? begin : SchemeBegin(text, from, i, "sip:");
}

} // namespace

std::size_t AtSize(std::string_view text, std::size_t i) noexcept
{
    if (i >= text.size())
        return 0;
    return text[i] == '@' ? 1 : text.substr(i).starts_with("%40") ? 3 : 0;
}

std::size_t AddressEnd(std::string_view text, std::size_t i) noexcept
{
    const std::size_t limit = std::min(text.size(), i + longest_local + 1);
    for (std::size_t at = i; at < limit; ++at) {
        if (const std::size_t size = AtSize(text, at); size > 0)
            if (const std::size_t end = HostEnd(text, at + size, true); end > at + size)
                return end;
        if (!HasClass(text[at], local_letter | joint_letter))
            break;
    }
    return i;
}

std::size_t LastAddressEnd(std::string_view text, std::size_t end) noexcept
{
    for (std::size_t next; (next = AddressEnd(text, end)) > end;)
        end = next;
    return end;
}

Detection FindAddress(std::string_view text, std::size_t at, std::size_t from) noexcept
{
    std::size_t local = at;
    while (local > from && at - local <= longest_local &&
           HasClass(text[local - 1], local_letter | joint_letter))
        --local;
    if (local == at || at - local > longest_local || text[at - 1] == '@')
        return no_detection;
    const std::size_t begin = SipBegin(text, from, local);
    const std::size_t host = at + AtSize(text, at);
    const std::size_t end = HostEnd(text, host, begin < local);
    if (end == host)
        return no_detection;
    return {begin, LastAddressEnd(text, end), Detector::email};
}

} // namespace callhardening
