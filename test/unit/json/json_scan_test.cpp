#include "core/json/json_scan.hpp"
#include "core/json/number.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

using callhardening::deepest_json;
using callhardening::JsonScanner;
using callhardening::longest_number;
using callhardening::PrintedNumber;
using callhardening::PrintNumber;
using callhardening::RawString;
using callhardening::Unescape;
using Json = nlohmann::json;

namespace
{

// Reads every token, and skips as a test wants.
class TestReader
{
public:
    explicit TestReader(const std::string &text, const volatile std::sig_atomic_t *interrupt = nullptr)
        : scanner_(text, interrupt)
    {
    }

    bool Read() { return scanner_.Read(*this) && scanner_.Complete(); }

    bool Begin(bool) { return !skip_containers || scanner_.SkipContainer(); }
    bool End(bool) { return Behind(); }
    bool Name(const RawString &) { return true; }
    bool String(const RawString &read)
    {
        string = std::string(read.text);
        return Behind();
    }
    bool Number(std::string_view) { return Behind(); }
    bool Boolean(bool) { return Behind(); }
    bool Null() { return Behind(); }

    bool skip_containers = false;
    bool skip_items = false;
    std::size_t items = 0;
    std::string string;

private:
    bool Behind() { return !skip_items || scanner_.depth() != 1 || scanner_.SkipItems(items); }

    JsonScanner scanner_;
};

// Tests the value as the only item of an array, both read and skipped.
bool Accepts(const std::string &value)
{
    const std::string text = "[" + value + "]";
    TestReader all(text), skipping(text);
    skipping.skip_containers = true;
    const bool accepted = all.Read();
    EXPECT_EQ(skipping.Read(), accepted) << value;
    return accepted;
}

std::size_t SkippedItems(const std::string &text)
{
    TestReader reader(text);
    reader.skip_items = true;
    EXPECT_TRUE(reader.Read());
    return reader.items;
}

std::string Resolve(const std::string &raw)
{
    std::string out(raw.size(), '?');
    out.resize(Unescape(raw, out.data()));
    return out;
}

std::string Print(const std::string &number)
{
    char room[longest_number];
    const PrintedNumber printed = PrintNumber(number, room);
    return printed.length > longest_number ? std::to_string(printed.length) + " bytes"
                                           : std::string(printed.text);
}

std::string Repeat(const std::string &text, std::size_t times)
{
    std::string all;
    while (times-- > 0)
        all += text;
    return all;
}

// 0,0,0
std::string Zeros(std::size_t count)
{
    std::string items(2 * count - 1, '0');
    for (std::size_t i = 1; i < items.size(); i += 2)
        items[i] = ',';
    return items;
}

TEST(JsonScan, TakesJson)
{
    for (const char *value : {"",
                              "1",
                              "\"\"",
                              "{}",
                              "[]",
                              " [ ] ",
                              "{\"a\":1}",
                              " { \"a\" : [ 1 , \"x\" , true , { } ] , \"\" : null } ",
                              "-0",
                              "0.0",
                              "-1.5e+10",
                              "1E-2",
                              "12",
                              "\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                              "\"\x7f\xc3\xa9\"",
                              "1,2",
                              "[],[]",
                              "\t\r\n1\n",
                              "true,false,null",
                              "1e12000",
                              "1e-12000",
                              "1e+0000000000000000000000000007"})
        EXPECT_TRUE(Accepts(value)) << value;
}

TEST(JsonScan, DoubtsTextsThatAreNoJson)
{
    for (const char *value : {",",
                              "1,",
                              ",1",
                              "1 2",
                              "1,,2",
                              "{",
                              "}",
                              "[",
                              "{]",
                              "[}",
                              "{\"a\"}",
                              "{\"a\":}",
                              "{\"a\" 1}",
                              "{\"a\":1,}",
                              "{,}",
                              "{1:2}",
                              "{a:1}",
                              "{\"a\":1 \"b\":2}",
                              "[1,]",
                              "[,1]",
                              "01",
                              "+1",
                              "-",
                              "-a",
                              "1.",
                              ".5",
                              "1.e5",
                              "1e",
                              "1e+",
                              "1a",
                              "0x1",
                              "--1",
                              "1-2",
                              "tru",
                              "truefalse",
                              "nul",
                              "nullx",
                              "True",
                              "NaN",
                              "Infinity",
                              "'a'",
                              "\"",
                              "\"a",
                              "\"\\\"",
                              "\"\\x\"",
                              "\"\\",
                              "\"\\u12\"",
                              "\"\\u12g4\"",
                              "\"\\u 123\"",
                              "\"\n\"",
                              "\"\x01\"",
                              "\"\t\"",
                              "// 1",
                              "/**/1",
                              "\xEF\xBB\xBF"
                              "1",
                              "\xC2\xA0"
                              "1",
                              "\x0b"
                              "1",
                              "\"\\u0000\"",
                              "\"\\ud800\"",
                              "\"\\udc00\"",
                              "\"\\ud800\\ud800\"",
                              "\"\\ud800x\"",
                              "\"\\ud83d\\",
                              "\"\\ud83d\\u",
                              "\"\\ud83d\\ude\"",
                              "\"\\ud83d\\u0041\"",
                              "1e12001",
                              "1e-12001",
                              "1e99999999999999999999"})
        EXPECT_FALSE(Accepts(value)) << value;
    EXPECT_FALSE(Accepts(std::string("1\0", 2)));
    EXPECT_FALSE(Accepts(std::string("\"a\0\"", 4)));
}

TEST(JsonScan, DoubtsDocumentsThatJsonbMayRefuse)
{
    EXPECT_TRUE(Accepts(Repeat("[", deepest_json - 1) + Repeat("]", deepest_json - 1)));
    EXPECT_FALSE(Accepts(Repeat("[", deepest_json) + Repeat("]", deepest_json)));
    EXPECT_TRUE(Accepts(Repeat("{\"a\":", deepest_json - 1) + "1" + Repeat("}", deepest_json - 1)));
    EXPECT_FALSE(Accepts(Repeat("{\"a\":", deepest_json) + "1" + Repeat("}", deepest_json)));
    EXPECT_TRUE(Accepts(Repeat("1", 4000)));
    EXPECT_FALSE(Accepts(Repeat("1", 4001)));
    // Members or items of one container. Then bytes: a value may need more of them than its text.
    EXPECT_TRUE(Accepts(Zeros(8000000)));
    EXPECT_FALSE(Accepts(Zeros(9000000)));
    EXPECT_TRUE(Accepts(Zeros(8000000) + std::string(50000000, ' ')));
    EXPECT_FALSE(Accepts(Zeros(8000000) + std::string(70000000, ' ')));
}

// Every byte at every position of the words read at once, with every neighbour for a carry.
TEST(JsonScan, FindsTheEndOfAStringWhereverItIs)
{
    for (std::size_t before = 0; before < 20; ++before)
        for (int byte = 1; byte < 256; ++byte)
            for (const char neighbour : {'x', '\x7f', '\x80', '\xff', ' ', '!', '#', '[', ']'}) {
                const std::string text =
                    std::string(before, neighbour) + static_cast<char>(byte) + std::string(9, neighbour);
                const std::string quoted = "\"" + text + "\"";
                TestReader reader(quoted);
                ASSERT_EQ(reader.Read(), byte >= ' ' && byte != '\\' && byte != '"') << before << " " << byte;
                if (byte >= ' ' && byte != '\\') {
                    ASSERT_EQ(reader.string, byte == '"' ? text.substr(0, before) : text);
                }
            }
}

TEST(JsonScan, ResolvesEscapesAsAParserDoes)
{
    const std::string pieces[] = {"x",
                                  "\\n",
                                  "\\\"",
                                  "\\\\",
                                  "\\/",
                                  "\\u0041",
                                  "\\u00e9",
                                  "\\u20ac",
                                  "\\ud83d\\ude00",
                                  "\xC3\xA9",
                                  "longer than a word",
                                  "\\b\\f\\r\\t",
                                  "\\uFFFF",
                                  "\\uDBFF\\uDFFF"};
    unsigned seed = 1;
    for (int round = 0; round < 20000; ++round) {
        std::string raw;
        for (seed = seed * 1664525 + 1013904223; raw.size() < (seed >> 8) % 60;) {
            seed = seed * 1664525 + 1013904223;
            raw += pieces[(seed >> 16) % std::size(pieces)];
        }
        ASSERT_EQ(Resolve(raw), Json::parse("\"" + raw + "\"").get<std::string>()) << raw;
    }
}

TEST(JsonScan, AcceptsTheSameTextsAsAParser)
{
    const std::string parts[] = {"{", "}", "[",  "]",  ",",    ":",    "\"a\"", "\"\\n\"", "1",
                                 "-", "0", ".5", "e1", "true", "null", " ",     "\"",      "\\"};
    unsigned seed = 7;
    int accepted = 0;
    for (int round = 0; round < 300000; ++round) {
        std::string text;
        for (int n = 0; n < round % 9; ++n) {
            seed = seed * 1664525 + 1013904223;
            text += parts[(seed >> 16) % std::size(parts)];
        }
        const bool json = Json::accept("[" + text + "]");
        ASSERT_EQ(Accepts(text), json) << text;
        accepted += json ? 1 : 0;
    }
    EXPECT_GT(accepted, 30000);
}

TEST(JsonScan, CountsTheItemsThatItSkips)
{
    EXPECT_EQ(SkippedItems("[1, [2, 3], {\"a\": 4}, \"5\" ]"), 3u);
    EXPECT_EQ(SkippedItems("[[1, 2] , [2, [3]], 4]"), 2u);
    EXPECT_EQ(SkippedItems("[1 ]"), 0u);
}

// One string may be as long as the document.
TEST(JsonScan, StopsInsideOfAStringOfEscapes)
{
    const std::string raw = Repeat("\\n", 1000), text = '"' + raw + '"';
    volatile std::sig_atomic_t interrupt = 1;
    std::string out(raw.size(), '?');
    EXPECT_EQ(Unescape(raw, out.data(), interrupt), 0u);
    EXPECT_FALSE(TestReader(text, &interrupt).Read());
    interrupt = 0;
    EXPECT_EQ(Unescape(raw, out.data(), interrupt), 1000u);
    EXPECT_TRUE(TestReader(text, &interrupt).Read());
}

TEST(JsonScan, StopsAtAnInterrupt)
{
    volatile std::sig_atomic_t interrupt = 1;
    EXPECT_FALSE(TestReader("[1,2]", &interrupt).Read());
    interrupt = 0;
    EXPECT_TRUE(TestReader("[1,2]", &interrupt).Read());
}

TEST(Number, PrintsAsJsonbDoes)
{
    EXPECT_EQ(Print("0"), "0");
    EXPECT_EQ(Print("-0"), "0");
    EXPECT_EQ(Print("-0.00"), "0.00");
    EXPECT_EQ(Print("-0e5"), "0");
    EXPECT_EQ(Print("0e-5"), "0.00000");
    EXPECT_EQ(Print("0.00e1"), "0.0");
    EXPECT_EQ(Print("1.10"), "1.10");
    EXPECT_EQ(Print("1e2"), "100");
    EXPECT_EQ(Print("-1.5E+3"), "-1500");
    EXPECT_EQ(Print("1.50e1"), "15.0");
    EXPECT_EQ(Print("15e-1"), "1.5");
    EXPECT_EQ(Print("12.5e-4"), "0.00125");
    EXPECT_EQ(Print("0.0012e2"), "0.12");
    EXPECT_EQ(Print("0.0012e3"), "1.2");
    EXPECT_EQ(Print("18446744073709551616"), "18446744073709551616");
    EXPECT_EQ(Print("1234567890123456789012345678901234567890"), "1234567890123456789012345678901234567890");
    EXPECT_EQ(Print("12345678901234567890123456789012345678901"), "41 bytes");
    EXPECT_EQ(Print("1e39"), "1000000000000000000000000000000000000000");
    EXPECT_EQ(Print("-1e39"), "41 bytes");
    EXPECT_EQ(Print("1e400"), "401 bytes");
    EXPECT_EQ(Print("1e-400"), "402 bytes");
}

} // namespace
