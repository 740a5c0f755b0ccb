#include "core/policy/policy.hpp"

#include "core/base/glob.hpp"
#include "core/base/text.hpp"
#include "core/json/setting.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace callhardening
{

namespace
{

using Type = SettingValue::Type;

constexpr PathNode no_node = 0xFFFF;

struct Glob {
    std::string pattern; // with at least one `*`
    PathNode child;
};

struct Node {
    RuleIndex accepts = no_rule; // the first rule with its path's end here
    bool any_depth = false;      // stands for `**`: stays reached for any next member
    bool leads_on = false;       // paths continue here
    PathNode star = no_node;     // child for `*`
    PathNode deeper = no_node;   // child for `**`, reached together with this node
    std::vector<Glob> globs;
};

// A name in some path, with the step from each node.
struct Name {
    std::string text;
    MemberClass meaning;
    bool harmless; // stays unchanged in a result
    std::vector<std::pair<PathNode, PathNode>> steps;
};

// FNV-1a: the same on every build.
struct Fnv {
    std::uint32_t value = 2166136261u;

    void Add(unsigned char byte) noexcept { value = (value ^ byte) * 16777619u; }
};

// For folded comparison. A hash, since a policy may add a thousand names, and every member is looked up.
struct FoldedHash {
    using is_transparent = void;

    std::size_t operator()(std::string_view name) const noexcept
    {
        Fnv hash;
        FoldedLetters letters(name);
        while (const unsigned char letter = letters.Next())
            hash.Add(letter);
        return hash.value;
    }
};

struct FoldedEqual {
    using is_transparent = void;

    bool operator()(std::string_view a, std::string_view b) const noexcept { return EqualFolded(a, b); }
};

} // namespace

struct Policy::Tables {
    Policy policy;
    bool hashes = false;
    char recorded[9]; // "1:0f0f0f"
    std::vector<Rule> rules;
    std::vector<std::string> paths; // of the rules, for explanations
    std::vector<Node> nodes;
    std::vector<Name> names;
    std::vector<std::uint16_t> slots; // of the hash table: 1 + index into names, 0 is free
    std::unordered_set<std::string, FoldedHash, FoldedEqual> secrets;
    PathNodes start;
    mutable KnownMembers known; // not shared: a policy serves one session, hence one thread

    const Name *Find(std::string_view name) const noexcept
    {
        const std::size_t mask = slots.size() - 1;
        for (std::size_t slot = HashName(name) & mask; slots[slot] != 0; slot = (slot + 1) & mask)
            if (const Name &found = names[slots[slot] - 1u]; found.text == name)
                return &found;
        return nullptr;
    }

    MemberClass Classify(std::string_view name) const noexcept
    {
        return IsSecret(this, name) ? MemberClass::credential : ClassifyMember(name);
    }

    static bool IsSecret(const void *tables, std::string_view name) noexcept
    {
        const auto &secrets = static_cast<const Tables *>(tables)->secrets;
        return !secrets.empty() && secrets.find(name) != secrets.end();
    }
};

// ---- walking --------------------------------------------------------------------------------------

namespace
{

// The reached nodes. Each is in it once, followed by its `**`. A node at the end of all its paths only gives
// its rule: without it, most members of a payload reach the same nodes.
struct Reached {
    PathNode *nodes;
    std::uint16_t size = 0;
    RuleIndex rule;

    void Add(const std::vector<Node> &tree, PathNode node) noexcept
    {
        for (; node != no_node; node = tree[node].deeper) {
            rule = std::min(rule, tree[node].accepts);
            if (!tree[node].leads_on && !tree[node].any_depth)
                continue;
            if (std::find(nodes, nodes + size, node) != nodes + size)
                return;
            nodes[size++] = node;
        }
    }
};

} // namespace

const Step *Policy::Known(PathNodes from, std::string_view name) const noexcept
{
    return tables_->known.Find(from, name);
}

void Policy::Remember(PathNodes from, std::string_view name, const Step &step) const noexcept
{
    try {
        tables_->known.Add(from, name, step);
    } catch (...) {
        // Without the memory, only the next lookup is slower.
    }
}

Step Policy::Enter(PathNodes from, std::string_view name, PathNode *reached) const noexcept
{
    const std::vector<Node> &tree = tables_->nodes;
    const Name *known = tables_->Find(name);
    Reached next{reached, 0, no_rule};
    if (known != nullptr)
        for (const auto &[parent, child] : known->steps)
            if (std::find(from.begin(), from.end(), parent) != from.end())
                next.Add(tree, child);
    for (const PathNode parent : from) {
        if (tree[parent].any_depth)
            next.Add(tree, parent);
        next.Add(tree, tree[parent].star);
        for (const Glob &glob : tree[parent].globs)
            if (MatchesGlob(name, glob.pattern))
                next.Add(tree, glob.child);
    }
    return {known != nullptr ? known->meaning : tables_->Classify(name), next.rule, {reached, next.size}};
}

bool Policy::Spells(std::string_view name) const noexcept
{
    const Name *known = tables_->Find(name);
    return known != nullptr && known->harmless;
}

MemberClass Policy::Classify(std::string_view name) const noexcept
{
    return tables_->Classify(name);
}

PathNodes Policy::start() const noexcept
{
    return tables_->start;
}

std::uint16_t Policy::max_reached() const noexcept
{
    return static_cast<std::uint16_t>(tables_->nodes.size());
}

std::string_view Policy::path(RuleIndex index) const noexcept
{
    return tables_->paths[index];
}

bool Policy::hashes() const noexcept
{
    return tables_->hashes;
}

SecretNames Policy::secret_names() const noexcept
{
    return tables_->secrets.empty() ? SecretNames{} : SecretNames{Tables::IsSecret, tables_};
}

std::string_view Policy::recorded() const noexcept
{
    return {tables_->recorded, sizeof(tables_->recorded) - 1};
}

void Policy::Delete(const Policy *policy) noexcept
{
    if (policy != nullptr)
        delete policy->tables_;
}

// ---- compiling ------------------------------------------------------------------------------------

// Every function returns false after it has reported a mistake. The first mistake ends the compilation.
class PolicyCompiler
{
public:
    PolicyCompiler(Policy::Tables &tables, SettingError &error) : tables_(tables), error_(error) {}

    bool Compile(std::string_view text)
    {
        constexpr std::size_t deepest = 4; // the document, its rules, a rule, and one to be refused
        SettingValue document;
        if (!OpenSetting(text, deepest, document, error_))
            return false;
        if (document.Find("version") == nullptr)
            return error_.Refuse("version", "is missing");
        tables_.nodes.emplace_back();
        for (std::size_t i = 0; i < document.values.size(); ++i)
            if (!Member(document.names[i], document.values[i]))
                return false;
        HashNames();
        Start();
        HashText(CanonicalText(document));
        return true;
    }

private:
    bool Member(const std::string &name, const SettingValue &value)
    {
        if (name == "version")
            return ReadVersion(value);
        if (name == "secrets")
            return Secrets(value);
        if (name == "rules")
            return Rules(value);
        if (name == "detectors")
            return ReadDetectors(value);
        if (name == "limits")
            return ReadLimits(value);
        if (name == "budget")
            return ReadBudget(value);
        return error_.RefuseUnknown("document", name);
    }

    bool ReadVersion(const SettingValue &value)
    {
        return (value.Is(Type::whole) && value.whole == policy_language_version) ||
               error_.Refuse("version", "must be 1");
    }

    bool Secrets(const SettingValue &value)
    {
        if (!value.Is(Type::array) || value.values.size() > max_rules)
            return error_.Refuse("secrets",
                                 "must be an array of at most " + std::to_string(max_rules) + " names");
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string field = "secrets[" + std::to_string(i) + "]";
            const std::string &name = value.values[i].text;
            if (!value.values[i].Is(Type::string) || IsBlank(name))
                return error_.Refuse(field, "must be a name");
            if (IsOwnName(name))
                return error_.Refuse(
                    field, "must not be a name that the sanitizer writes: type, length, _sanitized");
            tables_.secrets.insert(name);
        }
        return true;
    }

    // The sanitizer writes these names itself. As secrets, a second pass would mask its own output.
    static bool IsOwnName(std::string_view name)
    {
        return EqualFolded(name, "type") || EqualFolded(name, "length") || EqualFolded(name, "_sanitized");
    }

    struct DetectorMember {
        std::string_view name;
        Treatment Detectors::*treatment;
    };
    static constexpr DetectorMember detector_members[] = {
        {"phone", &Detectors::phone}, {"email", &Detectors::email}, {"card", &Detectors::card},
        {"ssn", &Detectors::ssn},     {"iban", &Detectors::iban},   {"ip", &Detectors::ip},
    };

    bool ReadDetectors(const SettingValue &value)
    {
        if (!value.Is(Type::object))
            return error_.Refuse("detectors", "must be an object");
        Detectors &detectors = tables_.policy.detectors_;
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string &name = value.names[i];
            const DetectorMember *wanted =
                std::find_if(std::begin(detector_members), std::end(detector_members),
                             [&name](const DetectorMember &member) { return member.name == name; });
            if (wanted == std::end(detector_members))
                return error_.RefuseUnknown("detectors", name);
            if (!ReadTreatment(value.values[i], "detectors." + name, detectors.*wanted->treatment))
                return false;
        }
        return true;
    }

    bool ReadTreatment(const SettingValue &value, const std::string &field, Treatment &treatment)
    {
        if (value.IsText("keep"))
            treatment = Treatment::keep;
        else if (value.IsText("mask"))
            treatment = Treatment::mask;
        else if (value.IsText("hash"))
            treatment = Treatment::hash;
        else
            return error_.Refuse(field, "must be one of keep, mask, hash");
        tables_.hashes = tables_.hashes || treatment == Treatment::hash;
        return true;
    }

    bool ReadBudget(const SettingValue &value)
    {
        if (!value.Is(Type::object))
            return error_.Refuse("budget", "must be an object");
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            if (value.names[i] != "max_bytes")
                return error_.RefuseUnknown("budget", value.names[i]);
            if (!Count(&value.values[i], "budget.max_bytes", least_max_bytes, most_max_bytes,
                       tables_.policy.max_bytes_))
                return false;
        }
        return true;
    }

    bool ReadLimits(const SettingValue &value)
    {
        if (!value.Is(Type::object))
            return error_.Refuse("limits", "must be an object");
        constexpr std::uint32_t many = 1000000;
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string &name = value.names[i], field = "limits." + name;
            const SettingValue &limit = value.values[i];
            Limits &limits = tables_.policy.limits_;
            if (name == "depth") {
                if (!Count(&limit, field, 1, max_depth, limits.depth))
                    return false;
            } else if (name == "members") {
                if (!Count(&limit, field, 1, many, limits.members))
                    return false;
            } else if (name == "items") {
                if (!Count(&limit, field, 1, many, limits.items))
                    return false;
            } else if (name == "characters") {
                if (!Count(&limit, field, secret_marker.size(), many, limits.characters))
                    return false;
            } else {
                return error_.RefuseUnknown("limits", name);
            }
        }
        return true;
    }

    bool Count(const SettingValue *value, const std::string &field, std::uint64_t least, std::uint64_t most,
               std::uint32_t &count)
    {
        if (value == nullptr || !value->Is(Type::whole) || value->whole < least || value->whole > most)
            return error_.Refuse(field, "must be a whole number from " + std::to_string(least) + " to " +
                                            std::to_string(most));
        count = static_cast<std::uint32_t>(value->whole);
        return true;
    }

    bool Rules(const SettingValue &value)
    {
        if (!value.Is(Type::array) || value.values.size() > max_rules)
            return error_.Refuse("rules",
                                 "must be an array of at most " + std::to_string(max_rules) + " rules");
        for (std::size_t i = 0; i < value.values.size(); ++i)
            if (!ReadRule(value.values[i], "rules[" + std::to_string(i) + "]"))
                return false;
        return true;
    }

    bool ReadRule(const SettingValue &value, const std::string &field)
    {
        if (!value.Is(Type::object))
            return error_.Refuse(field, "must be an object");
        const SettingValue *path = value.Find("path"), *action = value.Find("action");
        if (path == nullptr || !path->Is(Type::string))
            return error_.Refuse(field + ".path", "must be a string");
        if (action == nullptr || !action->Is(Type::string))
            return error_.Refuse(field + ".action", "must be a string");
        Rule rule{};
        const char *amount = nullptr;
        if (!ReadAction(action->text, field, rule.action, amount))
            return false;
        for (const std::string &name : value.names)
            if (name != "path" && name != "action" && (amount == nullptr || name != amount))
                return error_.RefuseUnknown(field, name);
        if (amount != nullptr && !ReadAmount(value, field, amount, rule))
            return false;
        tables_.rules.push_back(rule);
        tables_.paths.push_back(path->text);
        tables_.hashes = tables_.hashes || rule.action == Action::hash;
        return Path(path->text, field + ".path");
    }

    bool ReadAction(const std::string &word, const std::string &field, Action &action, const char *&amount)
    {
        static constexpr struct {
            const char *word;
            Action action;
            const char *amount;
        } actions[] = {
            {"keep", Action::keep, nullptr},          {"drop", Action::drop, nullptr},
            {"mask", Action::mask, "keep"},           {"hash", Action::hash, nullptr},
            {"truncate", Action::truncate, "length"}, {"summary", Action::summary, nullptr},
            {"json", Action::json, nullptr},
        };
        for (const auto &known : actions)
            if (word == known.word) {
                action = known.action;
                amount = known.amount;
                return true;
            }
        return error_.Refuse(field + ".action",
                             "must be one of keep, drop, mask, hash, truncate, summary, json");
    }

    bool ReadAmount(const SettingValue &value, const std::string &field, const char *name, Rule &rule)
    {
        const SettingValue *given = value.Find(name);
        if (rule.action == Action::mask)
            return Count(given, field + "." + name, 0, max_masked_rest, rule.amount);
        return Count(given, field + "." + name, secret_marker.size(), 1000000, rule.amount);
    }

    bool Path(const std::string &path, const std::string &field)
    {
        PathNode node = 0;
        std::size_t begin = 0, segments = 0;
        for (;;) {
            const std::size_t dot = std::min(path.find('.', begin), path.size());
            const std::string segment = path.substr(begin, dot - begin);
            if (segment.empty())
                return error_.Refuse(field, "has an empty segment");
            if (segment != "**" && segment.find("**") != std::string::npos)
                return error_.Refuse(field, "has a ** that is not a segment of its own");
            if (++segments > max_segments)
                return error_.Refuse(field, "has more than " + std::to_string(max_segments) + " segments");
            node = Child(node, segment);
            if (dot == path.size())
                break;
            begin = dot + 1;
        }
        RuleIndex &accepts = tables_.nodes[node].accepts;
        accepts = std::min(accepts, static_cast<RuleIndex>(tables_.rules.size() - 1));
        return true;
    }

    PathNode NewNode(bool any_depth)
    {
        static_assert(max_rules * max_segments + 1 < no_node);
        tables_.nodes.emplace_back();
        tables_.nodes.back().any_depth = any_depth;
        return static_cast<PathNode>(tables_.nodes.size() - 1);
    }

    PathNode Child(PathNode parent, const std::string &segment)
    {
        if (segment == "**") {
            if (tables_.nodes[parent].any_depth) // `**.**` is `**`
                return parent;
            if (tables_.nodes[parent].deeper == no_node) {
                const PathNode child = NewNode(true);
                tables_.nodes[parent].deeper = child;
            }
            return tables_.nodes[parent].deeper;
        }
        tables_.nodes[parent].leads_on = true;
        if (segment == "*") {
            if (tables_.nodes[parent].star == no_node) {
                const PathNode child = NewNode(false);
                tables_.nodes[parent].star = child;
            }
            return tables_.nodes[parent].star;
        }
        return segment.find('*') != std::string::npos ? GlobChild(parent, segment)
                                                      : NamedChild(parent, segment);
    }

    PathNode GlobChild(PathNode parent, const std::string &pattern)
    {
        for (const Glob &glob : tables_.nodes[parent].globs)
            if (glob.pattern == pattern)
                return glob.child;
        const PathNode child = NewNode(false);
        tables_.nodes[parent].globs.push_back({pattern, child});
        return child;
    }

    PathNode NamedChild(PathNode parent, const std::string &text)
    {
        const auto [entry, is_new] = index_.try_emplace(text, tables_.names.size());
        if (is_new)
            tables_.names.push_back({text, MemberClass::plain, false, {}});
        Name &name = tables_.names[entry->second];
        for (const auto &[from, child] : name.steps)
            if (from == parent)
                return child;
        const PathNode child = NewNode(false);
        name.steps.emplace_back(parent, child);
        return child;
    }

    void Start()
    {
        std::vector<PathNode> nodes(tables_.nodes.size());
        Reached start{nodes.data(), 0, no_rule};
        start.Add(tables_.nodes, 0);
        tables_.start = *tables_.known.Intern({nodes.data(), start.size}); // the first one, so there is room
    }

    // At most half full, so a probe ends soon.
    void HashNames()
    {
        std::size_t size = 2;
        while (size < 2 * tables_.names.size() + 1)
            size *= 2;
        tables_.slots.assign(size, 0);
        const SecretNames secret_names{Policy::Tables::IsSecret, &tables_};
        for (std::size_t i = 0; i < tables_.names.size(); ++i) {
            Name &name = tables_.names[i];
            name.meaning = tables_.Classify(name.text);
            name.harmless = name.text.size() <= tables_.policy.limits_.characters && !MaySpell(name.text) &&
                            !FindSecret({name.text, true}, 0, name.text.size(), false, secret_names).Found();
            std::size_t slot = HashName(name.text) & (size - 1);
            while (tables_.slots[slot] != 0)
                slot = (slot + 1) & (size - 1);
            tables_.slots[slot] = static_cast<std::uint16_t>(i + 1);
        }
    }

    void HashText(std::string_view text)
    {
        Fnv hash;
        for (const char c : text)
            hash.Add(static_cast<unsigned char>(c));
        std::snprintf(tables_.recorded, sizeof(tables_.recorded), "%d:%06x", policy_language_version,
                      static_cast<unsigned>(hash.value >> 8));
    }

    Policy::Tables &tables_;
    SettingError &error_;
    std::unordered_map<std::string, std::size_t> index_;
};

const Policy *Policy::Compile(std::string_view json, SettingError &error) noexcept
{
    error = {};
    Tables *tables = nullptr;
    try {
        tables = new Tables;
        if (PolicyCompiler(*tables, error).Compile(json)) {
            tables->policy.tables_ = tables;
            tables->policy.rules_ = tables->rules.data();
            return &tables->policy;
        }
    } catch (...) {
        error.out_of_memory = true; // only memory can fail: the parser does not throw
    }
    delete tables;
    return nullptr;
}

} // namespace callhardening
