// Compares the tables of the vocabulary with the files of facts behind them. Two files are published. The
// third, our_vocabulary.csv, has the words in neither of them.
#include "core/base/text.hpp"
#include "core/words/vocabulary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace callhardening;

namespace
{

using Record = std::vector<std::string>;

// RFC 4180: a quoted field may contain commas, line ends and doubled quotes.
std::vector<Record> ParseCsv(std::string_view text)
{
    std::vector<Record> records(1, Record(1));
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        std::string &field = records.back().back();
        if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"')
            field += text[++i];
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == ',')
            records.back().emplace_back();
        else if (!quoted && c == '\n')
            records.emplace_back(1);
        else if (quoted || c != '\r')
            field += c;
    }
    if (records.back() == Record(1))
        records.pop_back();
    return records;
}

struct Fact {
    std::string provider, kind, word, canonical, confidence;

    bool IsUnverified() const { return confidence == "unverified"; }
    bool IsDirection() const { return kind == "direction"; }
};

bool SameWord(const Fact &a, const Fact &b)
{
    return a.kind == b.kind && EqualFolded(a.word, b.word);
}

std::vector<Fact> ReadFacts(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::vector<Record> records = ParseCsv(text);
    std::vector<Fact> facts;
    if (records.empty())
        return facts;
    const auto column = [&](const char *name) {
        return static_cast<std::size_t>(std::ranges::find(records[0], name) - records[0].begin());
    };
    for (std::size_t i = 1; i < records.size(); ++i)
        facts.push_back({records[i].at(column("provider")), records[i].at(column("kind")),
                         records[i].at(column("raw_value")), records[i].at(column("canonical")),
                         records[i].at(column("confidence"))});
    return facts;
}

// The meaning of a word, as the file writes it: "" for an unknown word.
std::string Meaning(std::string_view kind, std::string_view word, std::string_view provider)
{
    if (kind == "direction") {
        const Direction direction = NormalizeDirection(word, provider);
        if (direction == Direction::unknown)
            return "";
        return direction == Direction::none ? "unknown" : std::string(DirectionName(direction));
    }
    const Status status = NormalizeStatus(word, provider);
    if (status == Status::unknown)
        return "";
    return status == Status::none ? "none" : std::string(StatusName(status));
}

template <typename Meaning>
bool HasRow(std::span<const VocabularyRow<Meaning>> table, const Fact &fact)
{
    return std::ranges::any_of(table, [&](const VocabularyRow<Meaning> &row) {
        return row.provider == fact.provider && EqualFolded(row.word, fact.word);
    });
}

bool HasRow(const Fact &fact)
{
    return fact.IsDirection() ? HasRow(direction_vocabulary, fact) : HasRow(status_vocabulary, fact);
}

// The table of ambiguous words has two words without documentation.
bool IsNamedAsAmbiguous(const Fact &fact)
{
    return fact.kind == "status" && (fact.provider == "3cx" || fact.provider == "talkdesk") &&
           (EqualFolded(fact.word, "inbound") || EqualFolded(fact.word, "outbound"));
}

std::vector<Fact> OurFacts()
{
    return ReadFacts("test/unit/words/our_vocabulary.csv");
}

class Vocabulary : public testing::Test
{
protected:
    void SetUp() override
    {
        const char *directory = std::getenv("CALLHARDENING_PAYLOADS");
        if (directory == nullptr || *directory == '\0')
            GTEST_SKIP() << "CALLHARDENING_PAYLOADS is not set";
        facts_ = ReadFacts(std::string(directory) + "/vocabulary.csv");
        ASSERT_GT(facts_.size(), 600u) << "of " << directory << "/vocabulary.csv";
        const std::vector<Fact> additions = ReadFacts(std::string(directory) + "/vocabulary-additions.csv");
        ASSERT_GT(additions.size(), 100u) << "of " << directory << "/vocabulary-additions.csv";
        Correct(additions);
        Correct(OurFacts());
    }

    // An addition to a provider's word gives its present meaning.
    void Correct(const std::vector<Fact> &additions)
    {
        std::erase_if(facts_, [&](const Fact &fact) {
            return std::ranges::any_of(additions, [&](const Fact &addition) {
                return addition.provider == fact.provider && SameWord(addition, fact);
            });
        });
        facts_.insert(facts_.end(), additions.begin(), additions.end());
    }

    bool IsDocumentedElsewhere(const Fact &fact) const
    {
        return std::ranges::any_of(facts_, [&](const Fact &other) {
            return other.confidence == "documented" && other.provider != fact.provider &&
                   SameWord(other, fact) && other.canonical == fact.canonical;
        });
    }

    // A provider can have a word twice, once seen and once assumed.
    bool IsSeen(const Fact &fact) const
    {
        return std::ranges::any_of(facts_, [&](const Fact &other) {
            return !other.IsUnverified() && other.provider == fact.provider && SameWord(other, fact);
        });
    }

    bool Belongs(const Fact &fact) const
    {
        return IsSeen(fact) || IsDocumentedElsewhere(fact) || IsNamedAsAmbiguous(fact);
    }

    std::vector<Fact> facts_;
};

} // namespace

TEST_F(Vocabulary, EveryFactHasItsMeaning)
{
    int compared = 0;
    for (const Fact &fact : facts_) {
        if (!Belongs(fact))
            continue;
        EXPECT_EQ(Meaning(fact.kind, fact.word, fact.provider), fact.canonical)
            << fact.provider << ' ' << fact.kind << ' ' << fact.word;
        EXPECT_TRUE(HasRow(fact)) << fact.provider << ' ' << fact.kind << ' ' << fact.word;
        ++compared;
    }
    EXPECT_GT(compared, 650);
}

TEST_F(Vocabulary, UnconfirmedFactsAreLeftOut)
{
    int left_out = 0;
    for (const Fact &fact : facts_) {
        if (Belongs(fact))
            continue;
        EXPECT_FALSE(HasRow(fact)) << fact.provider << ' ' << fact.kind << ' ' << fact.word;
        ++left_out;
    }
    EXPECT_GT(left_out, 0);
}

TEST_F(Vocabulary, NothingElseIsInTheTables)
{
    const auto is_fact = [&](std::string_view kind, std::string_view word, std::string_view provider) {
        return std::ranges::any_of(facts_, [&](const Fact &fact) {
            return fact.kind == kind && fact.provider == provider && EqualFolded(fact.word, word);
        });
    };
    for (const auto &row : direction_vocabulary)
        EXPECT_TRUE(row.provider.empty() || is_fact("direction", row.word, row.provider)) << row.word;
    for (const auto &row : status_vocabulary)
        EXPECT_TRUE(row.provider.empty() || is_fact("status", row.word, row.provider)) << row.word;
}

TEST(OurVocabulary, IsInTheTables)
{
    const std::vector<Fact> facts = OurFacts();
    ASSERT_FALSE(facts.empty());
    for (const Fact &fact : facts) {
        EXPECT_EQ(Meaning(fact.kind, fact.word, fact.provider), fact.canonical) << fact.word;
        EXPECT_TRUE(HasRow(fact)) << fact.word;
    }
}

TEST(AmbiguousWords, MeanALiveEventWithoutAProvider)
{
    EXPECT_EQ(NormalizeStatus("answered", {}), Status::active);
    EXPECT_EQ(NormalizeStatus("connected", {}), Status::active);
    EXPECT_EQ(NormalizeStatus("parked", {}), Status::active);
    EXPECT_EQ(NormalizeStatus("accepted", {}), Status::active);
    EXPECT_EQ(NormalizeStatus("call connected", {}), Status::active);
    EXPECT_EQ(NormalizeStatus("hangup", {}), Status::ended);
    EXPECT_EQ(NormalizeStatus("hung up", {}), Status::ended);
    EXPECT_EQ(NormalizeStatus("picked up", {}), Status::active);
    EXPECT_EQ(NormalizeStatus("true", {}), Status::unknown);
    EXPECT_EQ(NormalizeStatus("disconnected", {}), Status::ended);
    EXPECT_EQ(NormalizeStatus("received", {}), Status::none);
    EXPECT_EQ(NormalizeStatus("down", {}), Status::none);
    EXPECT_EQ(NormalizeStatus("unknown", {}), Status::none);
    EXPECT_EQ(NormalizeStatus("inbound", {}), Status::none);
    EXPECT_EQ(NormalizeStatus("outbound", {}), Status::none);
    EXPECT_EQ(NormalizeDirection("0", {}), Direction::unknown);
    EXPECT_EQ(NormalizeDirection("0", "wephone"), Direction::inbound);
    EXPECT_EQ(NormalizeDirection("trunking-originating", {}), Direction::inbound);
    EXPECT_EQ(NormalizeDirection("trunking-terminating", {}), Direction::outbound);
}

TEST(AmbiguousWords, HaveTheMeaningOfTheirProvider)
{
    EXPECT_EQ(NormalizeStatus("answered", "justcall"), Status::ended);
    EXPECT_EQ(NormalizeStatus("answered", "rdstation"), Status::ended);
    EXPECT_EQ(NormalizeStatus("answered", "aircall"), Status::active);
    EXPECT_EQ(NormalizeStatus("parked", "telnyx"), Status::ringing);
    EXPECT_EQ(NormalizeStatus("parked", "dialpad"), Status::active);
    EXPECT_EQ(NormalizeStatus("accepted", "ringcentral"), Status::ended);
    EXPECT_EQ(NormalizeStatus("hangup", "ringcentral"), Status::missed);
    EXPECT_EQ(NormalizeStatus("disconnected", "vonage"), Status::none);
    EXPECT_EQ(NormalizeStatus("received", "webex_calling"), Status::ringing);
    EXPECT_EQ(NormalizeStatus("connected", "zoom_phone"), Status::ended);
    EXPECT_EQ(NormalizeStatus("connected", "webex_calling"), Status::active);
    EXPECT_EQ(NormalizeStatus("down", "asterisk"), Status::ringing);
    EXPECT_EQ(NormalizeStatus("unknown", "bandwidth"), Status::ended);
    EXPECT_EQ(NormalizeStatus("inbound", "3cx"), Status::ended);
    EXPECT_EQ(NormalizeStatus("inbound", "talkdesk"), Status::none);
    EXPECT_EQ(NormalizeDirection("trunking-originating", "twilio"), Direction::inbound);
}
