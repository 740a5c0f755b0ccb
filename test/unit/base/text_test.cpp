#include "core/base/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

using namespace callhardening;
using namespace std::string_view_literals;

TEST(Text, FoldedWordsDifferInCaseAndSeparatorsOnly)
{
    EXPECT_TRUE(EqualFolded("in-progress", "In_Progress"));
    EXPECT_TRUE(EqualFolded(" OUTBOUND\tapi\r\n", "outbound-api"));
    EXPECT_TRUE(EqualFolded("\v\f-_", ""));
    EXPECT_FALSE(EqualFolded("in", "inbound"));
    EXPECT_FALSE(EqualFolded("inbound", "in"));
    EXPECT_FALSE(EqualFolded("in.progress", "inprogress"));
}

TEST(Text, FoldingIsAsciiOnly)
{
    EXPECT_FALSE(EqualFolded("\xC4\xB1n", "in"));      // Turkish dotless i
    EXPECT_FALSE(EqualFolded("\xEF\xBD\x89n", "in"));  // full-width i
    EXPECT_FALSE(EqualFolded("in\xC2\xA0", "in"));     // no-break space
    EXPECT_FALSE(EqualFolded("\xC3\x89", "\xC3\xA9")); // accented e, upper and lower case
    EXPECT_TRUE(EqualFolded("\xC3\xA9", "\xC3\xA9"));
}

TEST(Text, NulIsALetterAndNoEnd)
{
    EXPECT_FALSE(EqualFolded("in\0"sv, "in"));
    EXPECT_FALSE(EqualFolded("in\0bound"sv, "in"));
    EXPECT_FALSE(IsBlank("\0"sv));
}

// Eight letters are read at once, so each position of the wanted letter and of each end is a case.
TEST(Text, FindLetterFindsTheFirstOfItsClasses)
{
    constexpr unsigned char sign = 1, other = 2, high = 4;
    LetterClasses classes{};
    classes['='] = sign;
    classes['#'] = other;
    classes[0xC3] = high;
    const auto find = [&classes](std::string_view text, std::size_t from, std::size_t until,
                                 unsigned wanted) { return FindLetter(text, from, until, classes, wanted); };
    for (std::size_t size = 0; size <= 33; ++size) {
        const std::string plain(size, 'a');
        EXPECT_EQ(find(plain, 0, size, sign | other | high), size);
        for (std::size_t i = 0; i < size; ++i) {
            std::string text = plain;
            text[i] = '=';
            EXPECT_EQ(find(text, 0, size, sign), i);
            EXPECT_EQ(find(text, 0, size, other | high), size) << "another class";
            EXPECT_EQ(find(text, 0, i, sign), i) << "behind the end";
            EXPECT_EQ(find(text, i, size, sign), i);
            EXPECT_EQ(find(text, i + 1, size, sign), size) << "before the begin";
            text.back() = '\xC3';
            EXPECT_EQ(find(text, 0, size, sign | high), i == size - 1 ? size - 1 : i);
            EXPECT_EQ(find(text, 0, size, high), size - 1);
        }
    }
}

TEST(Text, FoldedWordsAreOrdered)
{
    EXPECT_LT(CompareFolded("a-b", "AC"), 0);
    EXPECT_GT(CompareFolded("AC", "a-b"), 0);
    EXPECT_LT(CompareFolded("", "a"), 0);
    EXPECT_LT(CompareFolded("ring", "ringing"), 0);
    EXPECT_LT(CompareFolded("z", "\xC3\xA9"), 0); // bytes are compared as unsigned
    EXPECT_EQ(CompareFolded("", " - "), 0);
}

TEST(Text, BlankTextsFoldToNothing)
{
    EXPECT_TRUE(IsBlank({}));
    EXPECT_TRUE(IsBlank(""));
    EXPECT_TRUE(IsBlank(" \t\n\v\f\r-_"));
    EXPECT_FALSE(IsBlank(" ."));
    EXPECT_TRUE(IsBlank(std::string(1 << 20, '_')));
}

TEST(Text, NamesEndWithAWord)
{
    for (const char *name : {"token", "accessToken", "access_to-ken", "token__", "TOKEN"})
        EXPECT_TRUE(EndsWithFolded(name, "token")) << name;
    for (const char *name : {"tokenizer", "oken", "", "tokens", "_"})
        EXPECT_FALSE(EndsWithFolded(name, "token")) << name;
}

TEST(Text, OnlyWordsMayBeShown)
{
    EXPECT_TRUE(LooksLikeWord("Outbound API 2.0-x_y"));
    EXPECT_TRUE(LooksLikeWord(""));
    EXPECT_TRUE(LooksLikeWord(std::string(40, 'x')));
    EXPECT_FALSE(LooksLikeWord(std::string(41, 'x')));
    for (const std::string_view text :
         {"+14155550100"sv, "a@b"sv, "a\"b"sv, "a\nb"sv, "\xC3\xA9"sv, "a\0"sv, "{}"sv})
        EXPECT_FALSE(LooksLikeWord(text)) << text;
}

TEST(Text, CharactersAreAsciiOnly)
{
    for (int c = 0; c < 256; ++c) {
        const char letter = static_cast<char>(c);
        const bool upper = c >= 'A' && c <= 'Z';
        EXPECT_EQ(LowerAscii(letter), upper ? static_cast<char>(c + 32) : letter) << c;
        EXPECT_EQ(IsAsciiSpace(letter),
                  std::string_view(" \t\n\v\f\r").find(letter) != std::string_view::npos)
            << c;
        EXPECT_EQ(IsAsciiDigit(letter), c >= '0' && c <= '9') << c;
    }
}
