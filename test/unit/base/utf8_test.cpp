#include "core/base/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

using callhardening::CountCharacters;

TEST(Utf8, AgreesWithPostgreSQL)
{
    for (const char *text :
         {"", "a", "\xc3\xa3", "\xe2\x82\xac", "\xf0\x9f\x93\x9e", "\xed\x9f\xbf", "\xee\x80\x80",
          "\xf4\x8f\xbf\xbf", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"})
        EXPECT_TRUE(callhardening::IsUtf8(text)) << text;
    EXPECT_TRUE(callhardening::IsUtf8(std::string_view("\0", 1)));
    for (const char *text :
         {"\x80", "\xff", "\xc3", "\xc3(", "\xe2\x82", "\xe2\x82(", "\xf0\x9f\x93", "\xc0\x80", "\xc1\xbf",
          "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
          "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "a\xc3"})
        EXPECT_FALSE(callhardening::IsUtf8(text)) << text;
}

// Every byte value at every position of the words counted at once.
TEST(Utf8, CountsEveryByteThatContinuesNoCharacter)
{
    for (int byte = 0; byte < 256; ++byte)
        for (std::size_t position = 0; position < 20; ++position)
            for (const char rest : {'x', '\x80', '\xBF', '\xC0', '\xFF'}) {
                std::string text(20, rest);
                text[position] = static_cast<char>(byte);
                std::size_t expected = 0;
                for (const char c : text)
                    expected += (static_cast<unsigned char>(c) >> 6) == 2 ? 0 : 1;
                ASSERT_EQ(CountCharacters(text), expected) << byte << " " << position;
            }
    EXPECT_EQ(CountCharacters(""), 0u);
    EXPECT_EQ(CountCharacters("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80 and plain ones"), 18u);
}
