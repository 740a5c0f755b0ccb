#include "core/events/form.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
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

// Each room has exactly the promised size: the address sanitizer sees a write past its end.
Decoded Decode(std::string_view body)
{
    const std::vector<char> copy(body.begin(), body.end());
    std::vector<char> room(body.size() + 1);
    std::vector<FormMember> places(CountFormMembers(body));
    const Form form = DecodeForm({copy.data(), copy.size()}, room, places);
    Decoded decoded{form.flaw, {}};
    for (const FormMember &member : form.members)
        decoded.members.emplace_back(member.name, member.value);
    return decoded;
}

FormFlaw FlawOf(std::string_view body)
{
    return Decode(body).flaw;
}

std::string Repeat(std::string_view text, std::size_t times)
{
    std::string all;
    while (times-- > 0)
        all += text;
    return all;
}

} // namespace

TEST(Form, TakesFormsOfBrowsersAndProviders)
{
    EXPECT_TRUE(LooksLikeForm("a=1"));
    EXPECT_TRUE(LooksLikeForm("CallSid=CA12&CallStatus=in-progress&From=%2B14155550100"));
    EXPECT_TRUE(LooksLikeForm("ForwardedFrom&CallStatus=ringing"));
    EXPECT_TRUE(LooksLikeForm("a=1&&b=2&"));
    EXPECT_TRUE(LooksLikeForm("a=&b"));
    EXPECT_TRUE(LooksLikeForm("a==b"));
    EXPECT_TRUE(LooksLikeForm("user[name]=x&_=1"));
    EXPECT_TRUE(LooksLikeForm("a=b c&d=S\xc3\xa3o"));
    EXPECT_TRUE(LooksLikeForm("\xef\xbb\xbf"
                              "a=1\r\n"));
    EXPECT_TRUE(LooksLikeForm("a=%zz")); // meant to be a form
}

TEST(Form, IsNoJsonWholeOrBroken)
{
    for (const char *body : {
             R"({"call_id": 1})",
             R"({"call_id": 1, "url": "https://h.example/?a=1&b=2")",
             R"("call_id": 1, "a": "b=c"})",
             R"(id": 1, "url": "https://h.example/?a=1&b=2"})",
             R"("a=1&b=2")",
             R"("a=1&b=2)",
             R"(a=1&b=2")",
             R"(a=1&b=2", "c": 3})",
             R"(a=1&b={"c": 3})",
             R"([1, 2, "a=b")",
             "[1,2",
             "{call_id:1&x=2}",
             "{'call_id'=1}",
             "\\u0061=1",
             "true",
             "1",
             "",
         })
        EXPECT_FALSE(LooksLikeForm(body)) << body;
}

TEST(Form, IsNoOtherText)
{
    for (const char *body : {
             " ",
             "=",
             "=a&b=c",
             "&a=1",
             "&",
             "abc",
             "a&b&c",
             "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
             "eyJjYWxsX2lkIjoxLCJ4Ijoiww==",
             "wIA=",
             "a=",
             "<a href='x?b=1'>",
             "https://h.example/?a=1&b=2",
             "level: info a=b",
             "level info=x",
             "'a=b'",
             "[a=1]",
             "+a=1",
             "a=1\nb=2",
             "a=1\tb",
             "a=\x01",
             "a=\x7f",
             "S\xc3\xa3o=1",
         })
        EXPECT_FALSE(LooksLikeForm(body)) << body;
    EXPECT_FALSE(LooksLikeForm(std::string_view("a=\0", 3)));
}

TEST(Form, IsDecoded)
{
    EXPECT_EQ(Decode("b=2&a=1").members, (Members{{"a", "1"}, {"b", "2"}}));
    EXPECT_EQ(Decode("a=x+y&b=%2B1%20z&c%3d=%3D%26").members,
              (Members{{"a", "x y"}, {"b", "+1 z"}, {"c=", "=&"}}));
    EXPECT_EQ(Decode("City=S%C3%A3o+Paulo&x=S\xc3\xa3o").members,
              (Members{{"City", "S\xc3\xa3o Paulo"}, {"x", "S\xc3\xa3o"}}));
    EXPECT_EQ(Decode("a==b&c=d=e").members, (Members{{"a", "=b"}, {"c", "d=e"}}));
    EXPECT_EQ(Decode("\xef\xbb\xbf a=1\r\n").members, (Members{{"a", "1"}}));
    EXPECT_EQ(Decode("a=%7B%22b%22%3A1%7D").members, (Members{{"a", R"({"b":1})"}}));
    EXPECT_EQ(Decode("a=%f0%9f%93%9E").members, (Members{{"a", "\xf0\x9f\x93\x9e"}}));
}

TEST(Form, HasNamesWithoutValuesAndValuesWithoutNames)
{
    EXPECT_EQ(Decode("a&b=&c=1").members, (Members{{"a", ""}, {"b", ""}, {"c", "1"}}));
    EXPECT_EQ(Decode("a=1&=2&=").members, (Members{{"", "2"}, {"", ""}, {"a", "1"}}));
    EXPECT_EQ(Decode("a=1&&&b=2&").members, (Members{{"a", "1"}, {"b", "2"}}));
}

TEST(Form, KeepsTheOrderOfARepeatedName)
{
    EXPECT_EQ(Decode("a=3&b=x&a=1&a=2&a=1&a&a=").members,
              (Members{{"a", "3"}, {"a", "1"}, {"a", "2"}, {"a", "1"}, {"a", ""}, {"a", ""}, {"b", "x"}}));
    const Decoded many = Decode("z=0" + Repeat("&%61=1&a=2", 1000));
    ASSERT_EQ(many.members.size(), 2001u);
    for (std::size_t i = 0; i < 2000; ++i)
        EXPECT_EQ(many.members[i].second, i % 2 == 0 ? "1" : "2") << i;
}

TEST(Form, FindsWrongEscapesAndEncodings)
{
    EXPECT_EQ(FlawOf("a=1"), FormFlaw::none);
    EXPECT_EQ(FlawOf("hello"), FormFlaw::not_a_form);
    for (const char *body : {"a=%", "a=%4", "a=%4&b=1", "a=%4g", "a=%g4", "a%=1", "a=1&b=%%41", "a=% 41"})
        EXPECT_EQ(FlawOf(body), FormFlaw::escape) << body;
    for (const char *body : {"a=%00", "%00=1", "a=%ff", "a=%c3", "a=%C3%28", "a=%c0%80", "a=%ed%a0%80",
                             "a=%f4%90%80%80", "a=%e2%82", "a%c3=%a3", "a=%f8%88%80%80%80", "a=%80"})
        EXPECT_EQ(FlawOf(body), FormFlaw::encoding) << body;
    EXPECT_EQ(FlawOf("a=\xff"), FormFlaw::encoding);
}

TEST(Form, HasBounds)
{
    EXPECT_EQ(FlawOf("a=1" + Repeat("&a=1", most_form_members - 1)), FormFlaw::none);
    EXPECT_EQ(FlawOf("a=1" + Repeat("&a=1", most_form_members)), FormFlaw::too_many_members);
    EXPECT_EQ(FlawOf("a=1" + Repeat("&", 2 * most_form_members)), FormFlaw::none);
    EXPECT_EQ(FlawOf(Repeat("n", longest_form_name) + "=1"), FormFlaw::none);
    EXPECT_EQ(FlawOf(Repeat("n", longest_form_name + 1) + "=1"), FormFlaw::long_name);
    EXPECT_EQ(FlawOf("a=" + std::string(longest_form - 2, 'x')), FormFlaw::none);
    EXPECT_EQ(FlawOf("a=" + std::string(longest_form - 1, 'x')), FormFlaw::too_long);
}

TEST(Form, DescribesEachFlaw)
{
    EXPECT_STREQ(Describe(FormFlaw::escape), "a % has no two hexadecimal digits behind it");
    EXPECT_STREQ(Describe(FormFlaw::none), "it has no flaw");
}
