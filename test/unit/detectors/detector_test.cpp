#include "core/detectors/detector.hpp"
#include "core/detectors/phone_name.hpp"
#include "core/findings/pseudonym.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

constexpr Detectors all{.phone = Treatment::mask, .email = Treatment::mask, .card = Treatment::mask};
constexpr Detectors strict{Treatment::mask, Treatment::mask, Treatment::mask,
                           Treatment::mask, Treatment::mask, Treatment::mask};

// The replacement of a finding: its mask, or a text in the form of a token.
std::string Replacement(std::string_view found, Detector what, Treatment treatment)
{
    if (treatment == Treatment::hash)
        return "pn_abcdef_aaaabbbbccccddddeeee_ffffgggg";
    char mask[mask_room];
    return {mask, MaskDetected(found, what, mask)};
}

std::string Treat(const std::string &text, const Detectors &wanted = all)
{
    std::string out;
    std::size_t from = 0;
    for (Detection found; (found = Detect(text, from, text.size(), wanted)).Found(); from = found.end)
        out.append(text, from, found.begin - from)
            .append(Replacement(std::string_view(text).substr(found.begin, found.end - found.begin),
                                found.what, wanted.of(found.what)));
    return out.append(text, from);
}

TEST(Detector, PhoneNumbersInText)
{
    for (const char *number : {"+14155550100",
                               "+1 415 555 0100",
                               "+1 (415) 555-0100",
                               "+1-415-555-0100",
                               "+1.415.555.0100",
                               "(415) 555-0100",
                               "(415)555-0100",
                               "(415) 5550100",
                               "415-555-0100",
                               "415.555.0100",
                               "415 555 0100",
                               "1-415-555-0100",
                               "1 (415) 555-0100",
                               "415/555-0100",
                               "415\xE2\x80\x91"
                               "555\xE2\x80\x91"
                               "0100",
                               "+49 30 1230100",
                               "+49 (0)30 1230100",
                               "+49 (30) 1230100",
                               "(+49) 30 1230100",
                               "+442079460100",
                               "+44 20 7946 0100",
                               "+33 1 42 68 01 00",
                               "+91 98765 40100",
                               "+86 138 0013 0100",
                               "+65 6123 0100",
                               "+354 123 0100",
                               "%2B14155550100",
                               "0049 30 1230100",
                               "00 49 30 1230100",
                               "0044-20-7946-0100",
                               "00 33 1 42 68 01 00",
                               "0171 1230100",
                               "0171/1230100",
                               "030 1230100",
                               "(030) 1230100",
                               "020 7946 0100",
                               "0161 496 0100",
                               "01632 960100",
                               "01 42 68 01 00",
                               "02 9876 0100",
                               "06-12340100",
                               "03-1234-0100",
                               "090-1234-0100",
                               "0412 340 100",
                               "tel:+14155550100",
                               "tel:4155550100",
                               "tel:+1-415-555-0100;ext=22",
                               "TEL:+1(415)5550100",
                               "callto:+14155550100",
                               "sip:+14155550100@example.com",
                               "sips:14155550100@10.0.0.1:5061;transport=tls",
                               "sip:4155550100@[::1];user=phone"}) {
        const std::string text = number;
        EXPECT_EQ(Treat(text), "***0100") << number;
        EXPECT_EQ(Treat("call " + text + ", or so"), "call ***0100, or so") << number;
        EXPECT_EQ(Treat("<" + text + ">"), "<***0100>") << number;
        EXPECT_EQ(Treat("from=" + text + "&to=" + text), "from=***0100&to=***0100") << number;
        EXPECT_EQ(Treat("\"" + text + "\" 2024-11-14 22:40:39.404"), "\"***0100\" 2024-11-14 22:40:39.404")
            << number;
        EXPECT_EQ(Treat("电话" + text + "。"), "电话***0100。") << number;
    }
}

TEST(Detector, PhoneNumbersBesideOtherThings)
{
    EXPECT_EQ(Treat("+14155550100 2024-11-14"), "***0100 2024-11-14");
    EXPECT_EQ(Treat("+49 30 1230100 2024-11-14"), "***0100 2024-11-14");
    EXPECT_EQ(Treat("415 555 0100 415 555 0101"), "***0100 ***0101");
    EXPECT_EQ(Treat("(212) 555-0100(415) 555-0101"), "***0100(***0101");
    EXPECT_EQ(Treat("**415-555-0100**"), "*****0100**");
    EXPECT_EQ(Treat("(415-555-0100)"), "(***0100)");
    EXPECT_EQ(Treat("Phone(415) 555-0100"), "Phone(***0100");
    EXPECT_EQ(Treat("415-555-0100x204 or 415-555-0101 ext. 5"), "***0100x204 or ***0101 ext. 5");
    EXPECT_EQ(Treat("415-555-0100.wav"), "***0100.wav");
    EXPECT_EQ(Treat("a\\n415-555-0100\\n"), "a\\n***0100\\n");
    EXPECT_EQ(Treat("\"Jane\" <sip:+14155550100@example.com>;tag=a1"), "\"Jane\" <***0100>;tag=a1");
    EXPECT_EQ(Treat("on 14 415-555-0100"), "on 14 ***0100");
    EXPECT_EQ(Treat("+14155550100@ home"), "***0100@ home");
    EXPECT_EQ(Treat("sip:+14155550100@example.com."), "***0100.");
    EXPECT_EQ(Treat("+14155550100@example.com"), "***0100");
    EXPECT_EQ(Treat("é+14155550100@example.com"), "***@example.com");
}

TEST(Detector, Addresses)
{
    EXPECT_EQ(Treat("ann@example.com"), "***@example.com");
    EXPECT_EQ(Treat("Ann <ann.b+c@mail.example.co.uk>, x"), "Ann <***@mail.example.co.uk>, x");
    EXPECT_EQ(Treat("mailto:ann@example.com?subject=x"), "mailto:***@example.com?subject=x");
    EXPECT_EQ(Treat("From=ann%40example.com&x=1"), "From=***@example.com&x=1");
    EXPECT_EQ(Treat("write to ann@example.com."), "write to ***@example.com.");
    EXPECT_EQ(Treat("jörg@bücher.de"), "***@");
    EXPECT_EQ(Treat("ann@example.com请"), "***@example.com请");
    EXPECT_EQ(Treat("sip:ann@10.0.0.1:5060;transport=tcp"), "***@10.0.0.1:5060;transport=tcp");
    EXPECT_EQ(Treat("sip:1001@pbx"), "***@pbx");
    EXPECT_EQ(Treat("4155550100@example.com"), "***@example.com");
    EXPECT_EQ(Treat("a@b.com@c.com"), "***@c.com");
    EXPECT_EQ(Treat("@ann@social.example"), "***@social.example");
    EXPECT_EQ(Treat("a@b.com,c@d.com;e@f.org"), "***@b.com,***@d.com;***@f.org");
    for (const char *text : {"a@b", "@channel", "a @ b.com", "user@localhost", "logo@2x.png", "pkg@1.2.3",
                             "@b.com", "a@.com", "a@b..com", "x@10.0.0.1", "%40", "a@", "@"})
        EXPECT_EQ(Treat(text), text);
    EXPECT_EQ(Treat(std::string(64, 'a') + "@example.com"), "***@example.com");
}

TEST(Detector, Cards)
{
    for (const char *card :
         {"4111 1111 1111 1111", "4111-1111-1111-1111", "5555 5555 5555 4444", "3782 822463 10005",
          "3056 930902 5904", "6011 1111 1111 1117", "3530 1113 3330 0000", "2223 0031 2200 3222"}) {
        const std::string text = card, last = text.substr(text.size() - 4);
        EXPECT_EQ(Treat("pay with " + text + "."), "pay with ***" + last + ".") << card;
        std::string bare;
        for (const char c : text)
            if (c >= '0' && c <= '9')
                bare += c;
        EXPECT_EQ(Treat("pay with " + bare + "."), "pay with ***" + last + ".") << card;
        EXPECT_EQ(DetectDigits(bare, "account", all), Detector::card);
        EXPECT_EQ(DetectDigits(bare, "call_id", all), std::nullopt);
        EXPECT_EQ(Treat(bare), bare) << "only its name tells";
        for (const char *id :
             {"/calls/%s", "id=%s", "id:%s", "a-%s", "%s-1", "%s.wav", "#%s", "%s/x", "_%s"}) {
            char line[64];
            std::snprintf(line, sizeof line, id, bare.c_str());
            EXPECT_EQ(Treat(line), line);
        }
    }
    for (const char *text : {"4111 1111 1111 1112", "4111.1111.1111.1111", "4111 1111-1111 1111",
                             "1234 5678 1234 5670", "x 4111111111111112", "4111 1111 1111 1111 1"})
        EXPECT_EQ(Treat(text).find(text),
                  text == std::string("4111 1111 1111 1111 1") ? std::string::npos : 0u)
            << text;
}

TEST(Detector, IdsBehindAWord)
{
    const std::string id = "4111111111111111";
    for (const char *before :
         {"call ", "the Call ", "id: ", "call_id=(", "callId: \"", "{\"legID\": \"", "{\\\"leg_id\\\": \\\"",
          "order no ", "Order number ", "ticket ", "ref ", "event: ", "session='", "order # "}) {
        const std::string text = before + id;
        EXPECT_EQ(Treat(text), text);
        EXPECT_EQ(Treat(text + ", ended"), text + ", ended");
    }
    for (const char *before : {"card ", "number ", "card number: ", "paid ", "we recall ", "with visa ", "a ",
                               "call, ", "the order was 12; ", "I will call. ", "the order\n", "disorder ",
                               "call +14155550100 ", "", " ", "idea ", "Kid "})
        EXPECT_EQ(Treat(before + id + " "), Treat(before) + "***1111 ");
    EXPECT_EQ(Treat("order 4111 1111 1111 1111"), "order ***1111") << "as on a card";
    for (const char *behind : {" exp 12/27", ", exp: 12/27", " cvv2 123", " (Visa)", "; expires 2027"})
        EXPECT_EQ(Treat("order " + id + behind), "order ***1111" + std::string(behind)) << behind;
    for (const char *behind : {" experience", " was paid by card", ", a@card.com", " 12/27"})
        EXPECT_EQ(Treat("order " + id + behind).substr(0, 22), "order " + id) << behind;
    EXPECT_EQ(Treat("ann@b.call 4111111111111111"), "***@b.call ***1111") << "of a finding, no word is left";
}

TEST(Detector, VersionsBehindAWord)
{
    for (const char *text :
         {"version 1.10.2.3", "Firmware: 10.0.0.1", "version number 1.10.2.3", "release 5.29.27.61"})
        EXPECT_EQ(Treat(text, strict), text);
    EXPECT_EQ(Treat("host 1.10.2.3, conversion 10.0.0.1", strict), "host ***, conversion ***");
}

TEST(Detector, GroupsThatAreNoPhoneNumber)
{
    for (const char *text :
         {"8924 0483 1899 6206", "0357 0010 4896 7233", "9400-0224-6429-25", "9432 0224 6429 25",
          "002-7947902-1828717", "007-5821528-1786695", "001-4829732-5483505", "026/9298/3335/12"})
        EXPECT_EQ(Treat(text), text);
    EXPECT_EQ(Treat("0755 1234 0100"), "***0100");
    EXPECT_EQ(Treat("001 415 555 0100"), "***0100");
    EXPECT_EQ(Treat("007 495 123-01-00"), "***0100");
    EXPECT_EQ(Treat("0483 1899 6206 4111 1111 1111 1111", strict), "***6206 ***1111");
}

TEST(Detector, SecondNumbersInARun)
{
    EXPECT_EQ(Treat("+49 30 1230100 030 1230101"), "***0100 ***0101");
    EXPECT_EQ(Treat("+49 30 1230100 0171 1230101"), "***0100 ***0101");
    EXPECT_EQ(Treat("0049 30 1230100 030 1230101"), "***0100 ***0101");
    EXPECT_EQ(Treat("+44 20 7946 0100 020 7946 0101"), "***0100 ***0101");
    EXPECT_EQ(Treat("+49 30 1230100 415-555-0101"), "***0100 ***0101");
    EXPECT_EQ(Treat("415-555-0100/415-555-0101, 415-555-0102"), "***0100/***0101, ***0102");
    EXPECT_EQ(Treat("+14155550100 +14155550101"), "***0100 ***0101");
}

struct TwoNumbers {
    const char *first, *second;
};

// The second number may omit the part that it shares with the first.
constexpr TwoNumbers numbers_in_a_run[] = {
    {"030 123010", "030 123011"},
    {"030 123010", "040 123011"},
    {"030 123010", "123011"},
    {"030 1230100", "1230101"},
    {"020 7946 0100", "020 7946 0101"},
    {"01 42 68 01 00", "01 42 68 01 01"},
    {"+49 30 1230100", "1230101"},
    {"+49 30 1230100", "30 1230101"},
    {"+49 30 1230100", "49 30 1230101"},
    {"+44 20 7946 0100", "20 7946 0101"},
    {"+33 1 42 68 01 00", "1 42 68 01 01"},
    {"+1 415 555 0100", "415 555 0101"},
    {"+1 415 555 0100", "555 0101"},
    {"(415) 555-0100", "555-0101"},
    {"(415)555-0100", "555-0101"},
    {"0049 30 1230100", "30 1230101"},
    {"+49\xC2\xA0"
     "30\xC2\xA0"
     "1230100",
     "30\xC2\xA0"
     "1230101"},
};

TEST(Detector, SecondNumbersThatShareTheirBeginning)
{
    for (const auto &[first, second] : numbers_in_a_run)
        for (const char *joint : {" ", "/", " / ", ", ", "; ", " or ", " and ", " & ", "|"}) {
            const std::string text = std::string(first) + joint + second;
            const std::string masked =
                Treat(first) + joint + Replacement(second, Detector::phone, Treatment::mask);
            EXPECT_EQ(Treat(text), masked) << text;
            EXPECT_EQ(Treat("call " + text + ", or so"), "call " + masked + ", or so") << text;
        }
    EXPECT_EQ(Treat("415-555-0100/555-0101/555-0102"), "***0100/***0101/***0102");
    EXPECT_EQ(Treat("+45 23 45 01 00 / 23 45 01 01 / 23 45 01 02 / 23 45 01 03"),
              "***0100 / ***0101 / ***0102 / ***0103");
    EXPECT_EQ(Treat("+45 2345 0100, 2345 0101, 2345 0102"), "***0100, ***0101, ***0102");
    EXPECT_EQ(Treat("+49 30 1230100, 1230101, 1230102"), "***0100, ***0101, ***0102");
    EXPECT_EQ(Treat("4111 1111 1111 1111, 4111 1111 1111 1111", strict), "***1111, ***1111");
    for (const char *rest : {" 1787158716", " 1234567", ",14155550101", " 2024-11-14", " 5550101",
                             ", 555-01012", ", call 555-0101", ", 0101", " 12:30:45"})
        EXPECT_EQ(Treat("415-555-0100" + std::string(rest)), "***0100" + std::string(rest)) << rest;
}

TEST(Detector, NumbersBeforeAnAddressOfTheInternet)
{
    EXPECT_EQ(Treat("4155550100@10.0.0.1"), "***0100");
    EXPECT_EQ(Treat("<14155550100@10.0.0.1:5060;user=phone>"), "<***0100>");
    EXPECT_EQ(Treat("+14155550100@192.168.1.20"), "***0100");
    EXPECT_EQ(Treat("1001@10.0.0.1"), "1001@10.0.0.1");
}

TEST(Detector, SocialSecurityNumbers)
{
    EXPECT_EQ(Treat("ssn 078-05-1120.", strict), "ssn ***1120.");
    EXPECT_EQ(Treat("his 219\xE2\x80\x91"
                    "09\xE2\x80\x91"
                    "9999",
                    strict),
              "his ***9999");
    for (const char *text : {"000-12-3456", "666-12-3456", "900-12-3456", "999-12-3456", "123-00-4567",
                             "123-45-0000", "123-45-67890", "1123-45-6789", "123-45-6789-1", "123-45-678",
                             "123.45.6789", "123 45 6789", "123456789", "A123-45-6789", "2024-05-1234"})
        EXPECT_EQ(Treat(text, strict), text);
    EXPECT_EQ(Treat("178-05-1120", all), "178-05-1120");
}

TEST(Detector, AccountNumbers)
{
    for (const char *number :
         {"DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "GB82 WEST 1234 5698 7654 32",
          "GB82WEST12345698765432", "FR14 2004 1010 0505 0001 3M02 606", "NO93 8601 1117 947",
          "NL91ABNA0417164300", "CH93 0076 2011 6238 5295 7", "BE68 5390 0754 7034",
          "MT84MALT011000012345MTLCAST001S", "BR1500000000000010932840814P2"}) {
        const std::string text = number;
        EXPECT_EQ(Treat(text, strict).substr(0, 3), "***") << number;
        EXPECT_LE(Treat(text, strict).size(), 7u) << number;
        EXPECT_EQ(Treat("pay to " + text + ", please", strict).substr(0, 10), "pay to ***") << number;
        EXPECT_LE(Treat("pay to " + text + ", please", strict).size(), 22u) << number;
    }
    for (const char *text :
         {"DE88 3704 0044 0532 0130 00", "DE8937040044053201300", "DE893704004405320130001",
          "ZZ89370400440532013000", "xDE89370400440532013000", "de89370400440532013000"})
        EXPECT_EQ(Treat(text, {.iban = Treatment::mask}), text);
}

TEST(Detector, AddressesOfTheInternet)
{
    for (const char *address :
         {"10.0.0.1", "203.0.113.255", "2001:db8:85a3::8a2e:370:7334", "2001:db8:85a3:0:0:8a2e:370:7334",
          "::1", "fe80::1", "FE80::0202:B3FF:FE1E:8329", "2001:db8::"}) {
        const std::string text = address;
        EXPECT_EQ(Treat(text, strict), "***") << text;
        EXPECT_EQ(Treat("from " + text + ", or " + text + ".", strict), "from ***, or ***.") << text;
        EXPECT_EQ(Treat("[" + text + "]:5060", strict), "[***]:5060") << text;
    }
    EXPECT_EQ(Treat("192.168.100.200:5060", strict), "***:5060");
    EXPECT_EQ(Treat("192.168.1.0/24", strict), "***/24");
    EXPECT_EQ(Treat("http://10.0.0.1/a", strict), "http://***/a");
    for (const char *text :
         {"1.10.2", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "v20.11.14.1", "Chrome/119.0.6045.105",
          "1.10.2.3-rc.1", "12:30:45", "00:15:5D:01:02:03", "2024-11-14T22:40:39.404", "std::string", "a::b",
          "1::2::3", "12:30:45:12:30:45:1", "12345::1", "x10.0.0.1", "10.0.0.1x", "10.0.0.1_2", "1::ann"})
        EXPECT_EQ(Treat(text, strict), text);
    EXPECT_EQ(Treat("10.0.0.1", all), "10.0.0.1");
}

// The last words of a name mark an id or a time. Its last letters do not.
TEST(Detector, CardsByTheirName)
{
    const std::string card = "4111111111111111";
    for (const char *name : {"prepaid", "card_paid", "isPaid", "accounts", "payments", "format", "chat",
                             "sms", "valid", "card", "value", ""})
        EXPECT_EQ(DetectDigits(card, name, all), Detector::card) << name;
    for (const char *name :
         {"id",        "ID",         "call_id",         "callId",    "callID",   "callid",
          "uniqueid",  "job_id",     "web_id",          "leg_id_2",  "ids",      "caller_id",
          "callerId",  "paid_at",    "created_at",      "createdAt", "event_ts", "offset_ms",
          "timestamp", "time_stamp", "idempotency-key", "order_ref"})
        EXPECT_EQ(DetectDigits(card, name, all), std::nullopt) << name;
}

TEST(Detector, CardsAsNames)
{
    EXPECT_TRUE(IsCardName("4111111111111111"));
    for (const char *name : {"", "4111111111111112", "card 4111111111111111", "5550100"})
        EXPECT_FALSE(IsCardName(name)) << name;
}

// Fields of webhooks contain all these texts, and none is a finding.
TEST(Detector, LeavesAlone)
{
    for (const char *text : {"",
                             "0",
                             "5635304278851584",
                             "call 5635304278851584 ended",
                             "1787158716092",
                             "at 1787158716092 ms",
                             "1787158716",
                             "14155550100",
                             "call 14155550100 now",
                             "4155550100",
                             "since 4155550100",
                             "550e8400-e29b-41d4-a716-446655440000",
                             "12345678-1234-1234-1234-123456789012",
                             "1.10.2-rc.1",
                             "2024.11.14",
                             "v20.11.14.1",
                             "10.0.0.1",
                             "192.168.100.200:5060",
                             "2001:db8:85a3::8a2e:370:7334",
                             "2024-11-14 22:40:39.404",
                             "2024-11-14T22:40:39.404+01:00",
                             "14.11.2024 22:40",
                             "11/14/2024 10:15:00",
                             "20241114-224039",
                             "20241114T224039Z",
                             "Thu, 14 Nov 2024 22:40:39 +0000",
                             "$1,234,567.89",
                             "1 234 567,89",
                             "EUR 123.456.789,00",
                             "48.856613, 2.352222",
                             "-33.868820,151.209290",
                             "4.41",
                             "mos 4.41 jitter 12.5 loss 0.02",
                             "00:15:5D:01:02:03",
                             "00-15-50-01-02-03",
                             "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                             "CA1234567890abcdef1234567890abcdef",
                             "recording_2024-11-14_224039.mp3",
                             "IMG_20241114_224039.jpg",
                             "T-415-555",
                             "ISBN 978-3-16-148410-0",
                             "1 2 3 4 5 6 7 8 9 10 11 12",
                             "100 200 300 400",
                             "404 Not Found",
                             "http/1.1 200 ok 1234",
                             "0.123456789",
                             "01.02.2024 10:30",
                             "01-02-2024",
                             "09/11/2024 10:15",
                             "port 5060",
                             "ext. 4321",
                             "***0100",
                             "***0100 ***0101",
                             "pn_abcdef_aaaabbbbccccddddeeee_ffffgggg",
                             "a1b2c3-415-555-0100",
                             "415-555-0100-22",
                             "1-2-3-4",
                             "3.14159265358979",
                             "6.02e+23",
                             "2^64 = 18446744073709551616",
                             "Mozilla/5.0 (X11; Linux x86_64) Chrome/119.0.6045.105",
                             "911-911-9111",
                             "12:30-13:45",
                             "P1DT2H",
                             "#1234567",
                             "order 12-3456789",
                             "size 1024x768",
                             "build 20241114.1",
                             "192.168.1.0/24",
                             "000000000000",
                             "0000-0000-0000",
                             "+0100",
                             "+1",
                             "+1 415",
                             "1e+14155550100",
                             "0x1F"})
        EXPECT_EQ(Treat(text), text);
}

TEST(Detector, NumbersByTheirName)
{
    for (const char *name : {"external_number", "internalNumber", "contact phone", "phone_number", "From",
                             "caller_id", "msisdn", "ani"})
        EXPECT_EQ(DetectDigits("14155550100", name, all), Detector::phone) << name;
    for (const char *name :
         {"call_id", "id", "duration", "date_started", "order_number", "", "tokens", "digits"})
        EXPECT_EQ(DetectDigits("14155550100", name, all), std::nullopt) << name;
    EXPECT_EQ(DetectDigits("5550100", "phone", all), Detector::phone);
    EXPECT_EQ(DetectDigits("4930123456", "to", all), Detector::phone);
    EXPECT_EQ(DetectDigits("1700000000", "to", all), std::nullopt) << "a time";
    EXPECT_EQ(DetectDigits("1700000000000", "phone", all), std::nullopt) << "a time";
    EXPECT_EQ(DetectDigits("5635304278851584", "caller_id", all), std::nullopt) << "an id";
    EXPECT_EQ(DetectDigits("5550100", "to", all), std::nullopt);
    EXPECT_EQ(DetectDigits("123456", "phone", all), std::nullopt);
}

struct NationalNumber {
    const char *country, *number;
};

constexpr NationalNumber national_numbers[] = {
    {"Argentina", "011 4123 0100"},
    {"Australia", "0412 340 100"},
    {"Austria", "0676 1230100"},
    {"Belgium", "02 123 01 00"},
    {"Brazil", "(11) 91234-0100"},
    {"Chile", "9 1234 0100"},
    {"China", "138 0013 0100"},
    {"Croatia", "091 234 01 00"},
    {"Denmark", "20 12 01 00"},
    {"Egypt", "010 1234 0100"},
    {"Finland", "040 123 0100"},
    {"France", "01 42 68 01 00"},
    {"Germany", "030/1230100"},
    {"Hong Kong", "2123 0100"},
    {"India", "98765 40100"},
    {"Indonesia", "0812-3401-0100"},
    {"Israel", "050-123-0100"},
    {"Italy", "06 1234 0100"},
    {"Italy, mobile", "347 123 0100"},
    {"Japan", "03-1234-0100"},
    {"Kenya", "0712 340100"},
    {"Korea", "010-1234-0100"},
    {"Malaysia", "012-340 0100"},
    {"Mexico", "55 1234 0100"},
    {"New Zealand", "021 123 0100"},
    {"Nigeria", "0803 123 0100"},
    {"Norway", "23 45 01 00"},
    {"Pakistan", "0300 1230100"},
    {"Chile, Santiago", "2 2345 0100"},
    {"Philippines", "0917 123 0100"},
    {"Poland", "601 230 100"},
    {"Portugal", "912 340 100"},
    {"Romania", "0722 123 010"},
    {"Russia", "8 (495) 123-01-00"},
    {"Singapore", "6123 0100"},
    {"South Africa", "011 123 0100"},
    {"Spain", "612 34 01 00"},
    {"Spain, landline", "91 234 01 00"},
    {"Sweden", "08-123 401 00"},
    {"Switzerland", "044 668 01 00"},
    {"Taiwan", "0912-340-100"},
    {"Thailand", "081 234 0100"},
    {"Turkey", "(0212) 123 01 00"},
    {"Ukraine", "050 123 0100"},
    {"United Kingdom", "020 7946 0100"},
    {"United Kingdom, a town", "01632 960100"},
    {"United States", "(415) 555-0100"},
    {"United States, local", "555-0100"},
    {"United States, toll-free", "1-800-555-0100"},
    {"United States, extension", "4155550100 x12"},
    {"with a plus", "+14155550100"},
    {"in one piece", "5550100"},
};

TEST(Detector, NationalNumbersByTheirName)
{
    for (const auto &[country, number] : national_numbers)
        for (const char *name :
             {"sender_phone", "agent_number", "callerid_num", "cell", "whatsapp", "phone1"})
            EXPECT_EQ(DetectDigits(number, name, all), Detector::phone) << country << ", " << name;
    for (const char *text : {"2024-11-14", "14.11.2024", "1787158716", "555", "see 4155550100", "***0100",
                             "4155550100 Jane", "-", ""})
        EXPECT_EQ(DetectDigits(text, "phone", all), std::nullopt) << text;
}

// Under a name with several meanings a national number needs all its digits, including its zero.
TEST(Detector, NationalNumbersByADoubtfulName)
{
    for (const auto &[country, number] : national_numbers) {
        const std::string_view text = number;
        if (std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) < 10)
            continue;
        for (const char *name : {"from", "sender", "customer_number"})
            EXPECT_EQ(DetectDigits(text, name, all), Detector::phone) << country << ", " << name;
    }
    EXPECT_EQ(DetectDigits("0301230100", "sender", all), Detector::phone);
    for (const char *abroad : {"0033170555023", "0014155550100", "004930123456"})
        EXPECT_EQ(DetectDigits(abroad, "client_number", all), Detector::phone) << abroad;
    for (const char *account :
         {"0000301230", "0012345678", "0123456789012", "001234567890", "000123456789", "00123456789012"})
        EXPECT_EQ(DetectDigits(account, "customer_number", all), std::nullopt) << account;
}

TEST(Detector, NamesOfPhoneNumbers)
{
    for (const char *name : {"phone",
                             "phone1",
                             "phone_2",
                             "Phone Number",
                             "phoneNumber",
                             "phonenumber",
                             "contact_phone",
                             "cell",
                             "cellPhone",
                             "cell_no",
                             "whatsapp",
                             "whatsapp_number",
                             "mobile",
                             "MobileNo",
                             "fax",
                             "telephone",
                             "msisdn",
                             "caller_id",
                             "callerid_num",
                             "CallerIdNumber",
                             "agent_number",
                             "agentNumber",
                             "to_number",
                             "fromNumber",
                             "called_number",
                             "external_number",
                             "sender_number",
                             "ani",
                             "dnis",
                             "did_number",
                             "phone_e164",
                             "phone_number_formatted",
                             "mobile_raw",
                             "destination_number",
                             "work_phone",
                             "home_cell_2",
                             "our_number",
                             "CallFrom",
                             "CallTo",
                             "ForwardedFrom",
                             "DialWhomNumber",
                             "exophone",
                             "callee_id_number",
                             "dialed_user",
                             "sip_from_user",
                             "sip_to_user",
                             "sip_req_user",
                             "sip_contact_user",
                             "PhoneNumberSid",
                             "phone_number_sid"})
        EXPECT_EQ(ClassifyPhoneName(name), PhoneName::sure) << name;
    for (const char *name :
         {"from", "to", "sender", "recipient", "caller", "callee", "number", "tel", "customer_number",
          "clientNumber", "destination", "justcall_number", "exten", "raw_digits"})
        EXPECT_EQ(ClassifyPhoneName(name), PhoneName::doubtful) << name;
    for (const char *name : {"",
                             "id",
                             "call_id",
                             "call_sid",
                             "phone_number_id",
                             "hour_number",
                             "phone_id",
                             "phoneId",
                             "agent_id",
                             "order_number",
                             "account_number",
                             "ticket_no",
                             "line_number",
                             "serial_number",
                             "headphone_type",
                             "phone_type",
                             "phone_count",
                             "cancel",
                             "parcell",
                             "mobile_app_id",
                             "candid",
                             "splendid",
                             "banani",
                             "user",
                             "sip_user_agent",
                             "extension",
                             "call_from_state",
                             "excel",
                             "tokens",
                             "number_of_calls",
                             "duration",
                             "date_to",
                             "invoice_number",
                             "episode_number",
                             "sequence_number",
                             "page_number",
                             "version_number"})
        EXPECT_EQ(ClassifyPhoneName(name), PhoneName::none) << name;
}

TEST(Detector, FindsOnlyTheWantedKinds)
{
    const std::string text = "+14155550100 ann@example.com 4111 1111 1111 1111";
    EXPECT_EQ(Treat(text, {}), text);
    EXPECT_EQ(Treat(text, {.phone = Treatment::mask}), "***0100 ann@example.com 4111 1111 1111 1111");
    EXPECT_EQ(Treat(text, {.email = Treatment::mask}), "+14155550100 ***@example.com 4111 1111 1111 1111");
    EXPECT_EQ(Treat(text, {.card = Treatment::mask}), "+14155550100 ann@example.com ***1111");
    EXPECT_EQ(DetectDigits("14155550100", "phone", {.card = Treatment::mask}), std::nullopt);
}

TEST(Detector, BeginsBeforeUntil)
{
    const std::string text = "see tel:+14155550100 or ann@example.com";
    EXPECT_FALSE(Detect(text, 0, 4, all).Found());
    EXPECT_EQ(Detect(text, 0, 5, all).begin, 4u);
    EXPECT_EQ(Detect(text, 0, 5, all).end, 20u);
    EXPECT_FALSE(Detect(text, 20, 24, all).Found());
    EXPECT_EQ(Detect(text, 20, 25, all).begin, 24u);
}

// Fragments in odd combinations.
std::string RandomText(std::mt19937_64 &random)
{
    static const std::vector<std::string> fragments = {"+14155550100",
                                                       "(415) 555-0100",
                                                       "415-555-0100",
                                                       "415 555 0100",
                                                       "0049 30 1230100",
                                                       "030 1230100",
                                                       "ann@example.com",
                                                       "@b.com",
                                                       "@",
                                                       "%40",
                                                       "%2B",
                                                       "+",
                                                       "(",
                                                       ")",
                                                       "sip:",
                                                       "tel:",
                                                       ":5060",
                                                       ";x=y",
                                                       "4111 1111 1111 1111",
                                                       "4111111111111111",
                                                       "0483 1899 6206",
                                                       "1899 ",
                                                       "0026",
                                                       "001",
                                                       "call",
                                                       "version",
                                                       "no",
                                                       "078-05-1120",
                                                       "555-0101",
                                                       " or ",
                                                       "30 1230101",
                                                       "1230101",
                                                       "-05-1120",
                                                       "DE89 3704 0044 0532 0130 00",
                                                       "NO9386011117947",
                                                       "DE89",
                                                       "10.0.0.212",
                                                       "fe80::1",
                                                       "::",
                                                       ":",
                                                       "***",
                                                       "***0100",
                                                       "0100",
                                                       "415",
                                                       "555",
                                                       "1",
                                                       "00",
                                                       "0",
                                                       "49",
                                                       " ",
                                                       " ",
                                                       ".",
                                                       "-",
                                                       "/",
                                                       "_",
                                                       "x",
                                                       "x12",
                                                       "com",
                                                       ".co",
                                                       "\\n",
                                                       "\n",
                                                       ",",
                                                       "<",
                                                       ">",
                                                       "=",
                                                       "&",
                                                       "\xC3\xA9",
                                                       "\xC2\xA0",
                                                       "\xE2\x80\x91",
                                                       "\xFF",
                                                       "[",
                                                       "]",
                                                       "pn_abcdef_aaaabbbbccccddddeeee_ffffgggg",
                                                       "4",
                                                       "5"};
    std::string text;
    for (unsigned long count = random() % 12; count > 0; --count)
        text += fragments[random() % fragments.size()];
    return text;
}

TEST(Detector, TwiceIsOnce)
{
    constexpr Treatment treatments[] = {Treatment::keep, Treatment::mask, Treatment::hash};
    std::mt19937_64 random(1);
    unsigned long found = 0;
    for (int n = 0; n < 200000; ++n) {
        const Detectors wanted{treatments[random() % 3], treatments[random() % 3], treatments[random() % 3],
                               treatments[random() % 3], treatments[random() % 3], treatments[random() % 3]};
        const std::string text = RandomText(random), once = Treat(text, wanted);
        found += once != text;
        ASSERT_EQ(Treat(once, wanted), once) << text;
    }
    EXPECT_GT(found, 20000u);
}

// In quadratic time, a megabyte of `sip:1;` would take a minute.
TEST(Detector, ReadsATextOnce)
{
    using Clock = std::chrono::steady_clock;
    for (const char *piece : {"1 ", "415-", "a@", "4111 ", "sip:1;", "%40", "(1)", "+4912345678@",
                              ";sip:ann@", "1:", "1.", "a1:", "DE89 ", "0101 ", "+49 30 "}) {
        std::string text;
        while (text.size() < 1000000)
            text += piece;
        const Clock::time_point begin = Clock::now();
        Treat(text, strict);
        EXPECT_LT(Clock::now() - begin, std::chrono::seconds(10)) << piece;
    }
}

std::string Digits(std::mt19937_64 &random, std::size_t count)
{
    std::string digits(count, '0');
    for (char &c : digits)
        c = static_cast<char>('0' + random() % 10);
    digits.front() = static_cast<char>('1' + random() % 9);
    return digits;
}

std::string Formatted(const char *format, auto... values)
{
    char line[128];
    std::snprintf(line, sizeof line, format, values...);
    return line;
}

unsigned Below(std::mt19937_64 &random, unsigned limit)
{
    return static_cast<unsigned>(random() % limit);
}

std::string Uuid(std::mt19937_64 &random)
{
    return Formatted("%08x-%04x-4%03x-%04x-%04x%08x", Below(random, 0xFFFFFFFF), Below(random, 0x10000),
                     Below(random, 0x1000), 0x8000 + Below(random, 0x4000), Below(random, 0x10000),
                     Below(random, 0xFFFFFFFF));
}

std::string Time(std::mt19937_64 &random)
{
    const unsigned year = 2015 + Below(random, 15), month = 1 + Below(random, 12),
                   day = 1 + Below(random, 28), hour = Below(random, 24), minute = Below(random, 60),
                   second = Below(random, 60), milli = Below(random, 1000);
    switch (Below(random, 5)) {
    case 0:
        return Formatted("%u-%02u-%02uT%02u:%02u:%02u.%03u+00:00", year, month, day, hour, minute, second,
                         milli);
    case 1:
        return Formatted("%u-%02u-%02u %02u:%02u:%02u.%03u", year, month, day, hour, minute, second, milli);
    case 2:
        return Formatted("%02u.%02u.%u %02u:%02u", day, month, year, hour, minute);
    case 3:
        return Formatted("%02u/%02u/%u %02u:%02u:%02u", month, day, year, hour, minute, second);
    default:
        return Formatted("%u%02u%02u-%02u%02u%02u", year, month, day, hour, minute, second);
    }
}

std::string Measurement(std::mt19937_64 &random)
{
    switch (Below(random, 5)) {
    case 0:
        return Formatted("%u.%u.%u.%u:%u", Below(random, 256), Below(random, 256), Below(random, 256),
                         Below(random, 256), Below(random, 65536));
    case 1:
        return Formatted("%u.%u.%u-rc.%u", Below(random, 30), Below(random, 300), Below(random, 10000),
                         Below(random, 20));
    case 2:
        return Formatted("%.6f, %.6f", Below(random, 180000000) / 1e6 - 90,
                         Below(random, 360000000) / 1e6 - 180);
    case 3:
        return Formatted("$%u,%03u.%02u", Below(random, 1000), Below(random, 1000), Below(random, 100));
    default:
        return Formatted("mos %.2f jitter %.1f ms, %u of %u packets", Below(random, 500) / 100.0,
                         Below(random, 9999) / 10.0, Below(random, 100), Below(random, 100000));
    }
}

// Ids of App Engine, as Dialpad uses them.
std::string PlatformId(std::mt19937_64 &random)
{
    return std::to_string(4500000000000000 + random() % 2250000000000000);
}

std::string Epoch(std::mt19937_64 &random)
{
    const unsigned long seconds = 1400000000 + random() % 500000000;
    return std::to_string(random() % 2 == 0 ? seconds : seconds * 1000 + random() % 1000);
}

std::string Hash(std::mt19937_64 &random)
{
    return Formatted("%016lx%016lx", static_cast<unsigned long>(random()),
                     static_cast<unsigned long>(random()));
}

// The statement of docs/detectors.md: wrong findings in a million samples.
struct Rate {
    const char *kind;
    std::string (*make)(std::mt19937_64 &);
    unsigned ceiling;
};

constexpr int samples = 120000;

void ExpectRate(const char *kind, unsigned found, unsigned ceiling)
{
    const double rate = found * 1e6 / samples;
    std::printf("%-42s %8.0f\n", kind, rate);
    EXPECT_LE(rate, ceiling) << kind;
}

TEST(Detector, FindsLittleInAMillionOtherTexts)
{
    const Rate rates[] = {
        {"id of 16 digits in a path",
         [](std::mt19937_64 &random) { return "/calls/" + Digits(random, 16) + "/legs"; }, 0},
        {"id of 16 digits in a sentence",
         [](std::mt19937_64 &random) { return "saw " + Digits(random, 16) + " again"; }, 30000},
        {"Dialpad's id in a sentence",
         [](std::mt19937_64 &random) { return "saw " + PlatformId(random) + " again"; }, 70000},
        {"id of 13 to 19 digits behind a word",
         [](std::mt19937_64 &random) { return "call " + Digits(random, 13 + random() % 7) + " ended"; }, 0},
        {"Dialpad's id behind a word",
         [](std::mt19937_64 &random) { return "the call id: " + PlatformId(random) + ", ended"; }, 0},
        {"order number in three groups",
         [](std::mt19937_64 &random) {
             const std::string digits = std::to_string(100000000000000000 + random() % 100000000000000000);
             return digits.substr(1, 3) + "-" + digits.substr(4, 7) + "-" + digits.substr(11);
         },
         0},
        {"id of 8 to 12 digits in a sentence",
         [](std::mt19937_64 &random) { return "call " + Digits(random, 8 + random() % 5) + " ended"; }, 0},
        {"seconds, milliseconds since 1970", [](std::mt19937_64 &random) { return "at " + Epoch(random); },
         0},
        {"date and time", Time, 0},
        {"UUID", Uuid, 0},
        {"host, version, place, money, quality", Measurement, 0},
        {"hash", Hash, 0},
    };
    constexpr Detectors persons{.ssn = Treatment::mask, .iban = Treatment::mask};
    std::mt19937_64 random(1);
    for (const Rate &rate : rates) {
        unsigned found = 0, others = 0;
        for (int n = 0; n < samples; ++n) {
            const std::string text = rate.make(random);
            found += Detect(text, 0, text.size(), all).Found();
            others += Detect(text, 0, text.size(), persons).Found();
        }
        ExpectRate(rate.kind, found, rate.ceiling);
        ExpectRate("  as a number of a person or an account", others, 0);
    }
}

TEST(Detector, FindsLittleInAMillionOtherNumbers)
{
    struct Named {
        const char *name;
        std::string (*make)(std::mt19937_64 &);
        unsigned ceiling;
    };
    const Named numbers[] = {
        {"call_id", PlatformId, 0},
        {"entry_point_call_id", PlatformId, 0},
        {"agent_id", [](std::mt19937_64 &random) { return Digits(random, 6 + random() % 14); }, 0},
        {"phone_id", [](std::mt19937_64 &random) { return Digits(random, 6 + random() % 14); }, 0},
        {"order_number", [](std::mt19937_64 &random) { return Digits(random, 6 + random() % 7); }, 0},
        {"date_started", Epoch, 0},
        {"to", Epoch, 0},
        {"number", PlatformId, 70000},
        {"duration", [](std::mt19937_64 &random) { return Digits(random, 1 + random() % 12); }, 0},
    };
    std::mt19937_64 random(2);
    for (const Named &number : numbers) {
        unsigned found = 0;
        for (int n = 0; n < samples; ++n)
            found += DetectDigits(number.make(random), number.name, all).has_value();
        ExpectRate(number.name, found, number.ceiling);
    }
}

} // namespace
