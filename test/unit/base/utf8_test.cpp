#include "core/base/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

using callhardening::CountCharacters;

// Every byte value at every position of the words counted at once.
TEST(Utf8, CountsEveryByteThatContinuesNoCharacter)
{
    for (int byte = 0; byte < 256; ++byte)
        for (std::size_t place = 0; place < 20; ++place)
            for (const char rest : {'x', '\x80', '\xBF', '\xC0', '\xFF'}) {
                std::string text(20, rest);
                text[place] = static_cast<char>(byte);
                std::size_t expected = 0;
                for (const char c : text)
                    expected += (static_cast<unsigned char>(c) >> 6) == 2 ? 0 : 1;
                ASSERT_EQ(CountCharacters(text), expected) << byte << " " << place;
            }
    EXPECT_EQ(CountCharacters(""), 0u);
    EXPECT_EQ(CountCharacters("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80 and plain ones"), 18u);
}
