#include "core/detectors/detector.hpp"
#include "core/findings/pseudonym.hpp"
#include "core/findings/secret.hpp"

#include "test/unit/keyed_hash.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

using namespace callhardening;

namespace
{

// The keys of a database on the server's side.
struct Keys {
    std::vector<std::string> secrets;
    std::vector<KeyId> ids;
    bool broken = false;

    explicit Keys(std::vector<std::string> newest_first) : secrets(std::move(newest_first))
    {
        for (const std::string &secret : secrets) {
            Keys single;
            single.secrets.push_back(secret);
            ids.emplace_back();
            EXPECT_TRUE(DeriveKeyId(Sign, &single, ids.back()));
        }
    }
    static bool Sign(void *state, std::size_t key, std::string_view first, std::string_view second,
                     unsigned char (&mac)[mac_size]) noexcept
    {
        const Keys &keys = *static_cast<Keys *>(state);
        const test::Digest digest =
            test::HmacSha256(keys.secrets[key], std::string(first) + std::string(second));
        std::copy(digest.begin(), digest.end(), mac);
        return !keys.broken;
    }
    Pseudonyms pseudonyms() { return {this, Sign, ids}; }

private:
    Keys() = default;
};

const std::string secret = "an unguessable secret of a test.", old_secret = "the secret before: also a test.";

std::string TokenOf(const Pseudonyms &pseudonyms, std::string_view value, std::size_t key = 0)
{
    char token[token_size];
    return WriteToken(pseudonyms, key, value, token) ? std::string(token, token_size) : "none";
}

std::string Normalized(std::string_view value)
{
    char buffer[longest_address];
    const NormalizedValue normalized = NormalizeForPseudonym(value, buffer);
    constexpr const char *kinds[] = {"phone ", "address ", "text "};
    return kinds[static_cast<std::size_t>(normalized.kind)] + std::string(normalized.text);
}

TEST(Hmac, IsTheStandards) // RFC 4231, case 2
{
    std::string hex;
    for (const unsigned char byte : test::HmacSha256("Jefe", "what do ya want for nothing?")) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", byte);
        hex += digits;
    }
    EXPECT_EQ(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Pseudonym, PhoneNumbersAreTheirDigits)
{
    for (const char *number : {"+14155550100",
                               "14155550100",
                               "+1 (415) 555-0100",
                               "1-415-555-0100",
                               "1.415.555.0100",
                               "0014155550100",
                               "001 415 555 0100",
                               " +14155550100\n",
                               "tel:+14155550100",
                               "TEL:+1-415-555-0100;ext=7",
                               "sip:+14155550100@host;user=phone",
                               "sip:14155550100@10.0.0.1:5060",
                               "sips:+14155550100@host",
                               "\"Jane\" <sip:+14155550100@host>",
                               "<tel:+14155550100>",
                               "%2B14155550100",
                               "+14155550100@host",
                               "callto:+14155550100",
                               "+1 415\xE2\x80\x91"
                               "555\xC2\xA0"
                               "0100",
                               "+1 415 555 0100x22"})
        EXPECT_EQ(Normalized(number), "phone 14155550100") << number;
    EXPECT_EQ(Normalized("+49 (0)30 1230100"), "phone 49301230100");
    EXPECT_EQ(Normalized("(415) 555-0100"), "phone 4155550100") << "its country is not known";
    EXPECT_EQ(Normalized("5550100"), "phone 5550100");
    EXPECT_EQ(Normalized("sip:1234567@host"), "phone 1234567");
    EXPECT_EQ(Normalized("123456789012345"), "phone 123456789012345");
}

TEST(Pseudonym, AddressesAreInLowerCase)
{
    for (const char *address : {"ann@example.com", "Ann@Example.COM", " mailto:ann@example.com?subject=x ",
                                "sip:ann@example.com:5060;transport=tcp", "SIPS:ann@example.com",
                                "\"Ann\" <sip:ann@example.com>;tag=1", "Ann <ann@example.com>",
                                "ann%40example.com", "sip:ann:5060@example.com"})
        EXPECT_EQ(Normalized(address), "address ann@example.com") << address;
    EXPECT_EQ(Normalized("1234567@example.com"), "address 1234567@example.com");
    EXPECT_EQ(Normalized("sip:1001@10.0.0.1"), "address 1001@10.0.0.1");
    EXPECT_EQ(Normalized("JÖRG@example.com"), "address jÖrg@example.com") << "ASCII only";
}

TEST(Pseudonym, OtherTextsAreTrimmed)
{
    EXPECT_EQ(Normalized("  Jane Doe\t"), "text Jane Doe");
    EXPECT_EQ(Normalized("5635304278851584"), "text 5635304278851584");
    EXPECT_EQ(Normalized("123456"), "text 123456");
    EXPECT_EQ(Normalized("+"), "text +");
    EXPECT_EQ(Normalized(""), "text ");
    EXPECT_EQ(Normalized("a @ b"), "text a @ b");
    EXPECT_EQ(Normalized("@"), "text @");
    EXPECT_EQ(Normalized("<>"), "text <>");
    EXPECT_EQ(Normalized("x@" + std::string(400, 'y')), "text x@" + std::string(400, 'y'));
    EXPECT_EQ(Normalized(std::string(2000, '1')), "text " + std::string(2000, '1'));
    EXPECT_EQ(Normalized(std::string("a\0b\xFF", 4)), "text " + std::string("a\0b\xFF", 4));
}

TEST(Pseudonym, TokensFollowAValue)
{
    Keys keys({secret});
    const Pseudonyms pseudonyms = keys.pseudonyms();
    const std::string token = TokenOf(pseudonyms, "+14155550100");
    EXPECT_TRUE(HasTokenForm(token)) << token;
    EXPECT_EQ(token.substr(3, 6), keys.ids[0].text());
    EXPECT_EQ(TokenOf(pseudonyms, "tel:+1-415-555-0100"), token);
    EXPECT_NE(TokenOf(pseudonyms, "+14155550101"), token);
    // The kinds are apart: an address and an equal text have different tokens.
    EXPECT_NE(TokenOf(pseudonyms, "ann@example.com"), TokenOf(pseudonyms, "x ann@example.com"));
    EXPECT_EQ(TokenOf(pseudonyms, ""), TokenOf(pseudonyms, " "));
}

TEST(Pseudonym, KeysAreRotated)
{
    Keys keys({secret, old_secret}), only_old({old_secret}), none(std::vector<std::string>{});
    const Pseudonyms pseudonyms = keys.pseudonyms();
    const std::string now = TokenOf(pseudonyms, "+14155550100"),
                      before = TokenOf(pseudonyms, "+14155550100", 1);
    EXPECT_NE(now, before);
    EXPECT_EQ(before, TokenOf(only_old.pseudonyms(), "+14155550100"));
    EXPECT_TRUE(IsToken(pseudonyms, now));
    EXPECT_TRUE(IsToken(pseudonyms, before));
    EXPECT_FALSE(IsToken(only_old.pseudonyms(), now)) << "of a key that is not known";
    EXPECT_FALSE(IsToken(none.pseudonyms(), now));
    EXPECT_EQ(TokenOf(none.pseudonyms(), "x"), "none");
    EXPECT_EQ(TokenOf(pseudonyms, "x", 2), "none");
}

TEST(Pseudonym, ForgedTokensAreTexts)
{
    Keys keys({secret, old_secret});
    const Pseudonyms pseudonyms = keys.pseudonyms();
    const std::string token = TokenOf(pseudonyms, "+14155550100");
    for (std::size_t i = 0; i < token.size(); ++i) {
        std::string forged = token;
        forged[i] = forged[i] == 'a' ? 'b' : 'a';
        EXPECT_FALSE(IsToken(pseudonyms, forged)) << forged;
    }
    std::string other_key = token;
    other_key.replace(3, key_id_size, keys.ids[1].text());
    EXPECT_FALSE(IsToken(pseudonyms, other_key));
    EXPECT_FALSE(IsToken(pseudonyms, token + "a"));
    EXPECT_FALSE(IsToken(pseudonyms, token.substr(1)));
    EXPECT_FALSE(IsToken(pseudonyms, ""));
    keys.broken = true;
    EXPECT_FALSE(IsToken(pseudonyms, token));
    EXPECT_EQ(TokenOf(pseudonyms, "x"), "none");
}

TEST(Pseudonym, DifferentNumbersHaveDifferentTokens)
{
    Keys keys({secret});
    const Pseudonyms pseudonyms = keys.pseudonyms();
    std::unordered_set<std::string> tokens;
    constexpr int numbers = 100000;
    tokens.reserve(numbers);
    for (int n = 0; n < numbers; ++n) {
        tokens.insert(TokenOf(pseudonyms, std::to_string(14150000000 + n)));
    }
    EXPECT_EQ(tokens.size(), static_cast<std::size_t>(numbers));
}

TEST(Pseudonym, TokensAreNothingElse)
{
    Keys keys({secret});
    const Pseudonyms pseudonyms = keys.pseudonyms();
    const Detectors all{Treatment::mask, Treatment::mask, Treatment::mask};
    for (int n = 0; n < 20000; ++n) {
        const std::string token = TokenOf(pseudonyms, std::to_string(n));
        for (const std::string &text :
             {token, "call " + token + ", bearer " + token + " basic " + token + ". <" + token + ">"}) {
            ASSERT_FALSE(Detect(text, 0, text.size(), all).Found()) << text;
            ASSERT_FALSE(FindSecret({text, true}, 0, text.size(), false).Found()) << text;
        }
    }
}

TEST(Pseudonym, TokensAreSeenInATextBeforeACut)
{
    const std::string token = "pn_abcdef_aaaabbbbccccddddeeee_ffffgggg";
    EXPECT_EQ(FindTokenForm(token, 0), 0u);
    EXPECT_EQ(FindTokenForm("pn_pn_x " + token, 0), 8u);
    EXPECT_EQ(FindTokenForm(token + token, 1), token_size);
    EXPECT_EQ(FindTokenForm(token, 1), std::string::npos);
    EXPECT_EQ(FindTokenForm(token.substr(0, token_size - 1), 0), std::string::npos);
    EXPECT_EQ(FindTokenForm("pn_abcdef_aaaabbbbccccddddeeeq_ffffgggg", 0), std::string::npos);
    EXPECT_EQ(FindTokenForm("", 0), std::string::npos);
    EXPECT_EQ(FindTokenForm(token, token_size + 1), std::string::npos);
}

} // namespace
