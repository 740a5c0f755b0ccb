#include "core/events/shape.hpp"

#include "core/base/text.hpp"
#include "core/json/setting.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace callhardening
{

using Type = SettingValue::Type;

// Every function returns false after it has reported a mistake. The first mistake ends the compilation.
class ShapeCompiler
{
public:
    ShapeCompiler(Shape &shape, SettingError &error) : shape_(shape), error_(error) {}

    bool Compile(std::string_view text)
    {
        constexpr std::size_t deepest = 10; // twice as deep as a shape
        SettingValue document;
        if (!OpenSetting(text, deepest, document, error_) ||
            !HasVersion(shape_language_version, document, error_) ||
            !error_.AllowOnly({"version", "forms", "zone"}, document, "document"))
            return false;
        const SettingValue *zone = document.Find("zone");
        return (zone == nullptr || Zone(*zone, "zone", zone_)) && Forms(document.Find("forms"));
    }

private:
    bool CountPart(const std::string &json_path)
    {
        return ++parts_ <= max_shape_parts ||
               error_.Refuse(json_path, "is beyond the " + std::to_string(max_shape_parts) +
                                            " candidates and conditions that a shape may have");
    }

    // ---- forms ----

    bool Forms(const SettingValue *forms)
    {
        if (forms == nullptr || !forms->Is(Type::array) || forms->values.empty() ||
            forms->values.size() > max_forms)
            return error_.Refuse("forms", "must be an array of 1 to " + std::to_string(max_forms) + " forms");
        for (std::size_t i = 0; i < forms->values.size(); ++i)
            if (!Form(forms->values[i], "forms[" + std::to_string(i) + "]"))
                return false;
        for (ShapeForm &form : shape_.forms_) {
            ListLookups(form);
            shape_.has_parts_ = shape_.has_parts_ || form.call.has_every;
            shape_.has_event_ids_ = shape_.has_event_ids_ || HasEventId(form);
            shape_.reads_arrays_ =
                shape_.reads_arrays_ || (form.call.has_every && form.call.steps.front().is_every);
        }
        return true;
    }

    static bool HasEventId(const ShapeForm &form)
    {
        return !form.fields[static_cast<std::size_t>(Field::event_id)].empty();
    }

    // The last step: no text may move after it.
    static void ListLookups(ShapeForm &form)
    {
        static_assert(max_shape_parts <= 0xFFFF);
        for (ShapePath &path : form.has_one_of)
            NameMember(path);
        for (std::size_t i = 0; i < field_count; ++i) {
            for (ShapeCandidate &candidate : form.fields[i]) {
                for (ShapePath &path : candidate.paths)
                    NameMember(path);
                form.lookups.push_back({MemberOf(candidate), &candidate, candidate.reading});
            }
            form.ends[i] = static_cast<std::uint16_t>(form.lookups.size());
        }
    }

    static void NameMember(ShapePath &path)
    {
        if (!path.from_root && path.steps.size() == 1)
            path.member = path.steps[0].name;
    }

    // The member of the call, if the candidate is only that. Empty: the candidate says more.
    static std::string_view MemberOf(const ShapeCandidate &candidate)
    {
        const bool is_plain = candidate.paths.size() == 1 && candidate.when.empty() &&
                              candidate.none.empty() && !candidate.zone.is_given && !candidate.is_local;
        return is_plain ? candidate.paths[0].member : std::string_view{};
    }

    bool Form(const SettingValue &value, const std::string &json_path)
    {
        if (!value.Is(Type::object))
            return error_.Refuse(json_path, "must be an object");
        ShapeForm form;
        const SettingValue *like = value.Find("like");
        if (like != nullptr && !Like(*like, json_path + ".like", form))
            return false;
        for (std::size_t i = 0; i < value.values.size(); ++i)
            if (!FormMember(value.names[i], value.values[i], json_path, form))
                return false;
        if (form.fields[static_cast<std::size_t>(Field::call_id)].empty())
            return error_.Refuse(json_path + ".fields.call_id", "is missing");
        shape_.forms_.push_back(std::move(form));
        return true;
    }

    // Copies the fields of an earlier form. Members beside `like` replace them.
    bool Like(const SettingValue &value, const std::string &json_path, ShapeForm &form)
    {
        const auto earlier =
            std::find_if(shape_.forms_.begin(), shape_.forms_.end(),
                         [&](const ShapeForm &f) { return !f.name.empty() && value.IsText(f.name); });
        if (earlier == shape_.forms_.end())
            return error_.Refuse(json_path, "must be the name of an earlier form");
        for (std::size_t i = 0; i < field_count; ++i) {
            form.fields[i] = earlier->fields[i];
            for (const ShapeCandidate &candidate : form.fields[i])
                parts_ += candidate.when.size() + 1;
        }
        return parts_ <= max_shape_parts || CountPart(json_path);
    }

    bool FormMember(const std::string &name, const SettingValue &value, const std::string &json_path,
                    ShapeForm &form)
    {
        const std::string here = json_path + "." + (LooksLikeWord(name) ? name : std::string("member"));
        if (name == "like")
            return true;
        if (name == "name")
            return Name(value, here, form);
        if (name == "call")
            return CallPath(value, here, form.call);
        if (name == "when")
            return When(value, here, form.when);
        if (name == "has_one_of")
            return Paths(value, here, max_shape_parts, form.has_one_of);
        if (name == "fields")
            return Fields(value, here, form);
        return error_.RefuseUnknown(json_path, name);
    }

    bool Name(const SettingValue &value, const std::string &json_path, ShapeForm &form)
    {
        if (!value.Is(Type::string) || IsBlank(value.text) || !LooksLikeWord(value.text))
            return error_.Refuse(json_path,
                                 "must be a name of at most 40 letters, digits, spaces, and . _ -");
        for (const ShapeForm &other : shape_.forms_)
            if (other.name == value.text)
                return error_.Refuse(json_path, "is the name of an earlier form");
        form.name = value.text;
        return true;
    }

    // ---- fields ----

    bool Fields(const SettingValue &value, const std::string &json_path, ShapeForm &form)
    {
        if (!value.Is(Type::object))
            return error_.Refuse(json_path, "must be an object");
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string &name = value.names[i];
            std::size_t field = 0;
            while (field < field_count && FactsOf(static_cast<Field>(field)).name != name)
                ++field;
            if (field == field_count)
                return error_.RefuseUnknown(json_path, name);
            form.fields[field].clear();
            if (!Candidates(value.values[i], json_path + "." + name, static_cast<Field>(field),
                            form.fields[field]))
                return false;
        }
        return true;
    }

    // A candidate without an array is the only one.
    bool Candidates(const SettingValue &value, const std::string &json_path, Field field,
                    std::vector<ShapeCandidate> &candidates)
    {
        if (!value.Is(Type::array)) {
            candidates.emplace_back();
            return Candidate(value, json_path, field, candidates.back());
        }
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            candidates.emplace_back();
            if (!Candidate(value.values[i], json_path + "[" + std::to_string(i) + "]", field,
                           candidates.back()))
                return false;
        }
        return true;
    }

    bool Candidate(const SettingValue &value, const std::string &json_path, Field field,
                   ShapeCandidate &candidate)
    {
        candidate.reading = FactsOf(field).reading;
        candidate.zone = zone_;
        if (!CountPart(json_path))
            return false;
        if (value.Is(Type::string)) {
            candidate.paths.emplace_back();
            return Path(value, json_path, candidate.paths.back());
        }
        if (!value.Is(Type::object))
            return error_.Refuse(json_path, "must be a path, an object, or an array of these");
        const int sources = (value.Find("path") != nullptr) + (value.Find("join") != nullptr) +
                            (value.Find("value") != nullptr);
        if (sources != 1)
            return error_.Refuse(json_path, "must have one of path, join, value");
        for (std::size_t i = 0; i < value.values.size(); ++i)
            if (!CandidateMember(value.names[i], value.values[i], json_path, field, candidate))
                return false;
        return true;
    }

    bool CandidateMember(const std::string &name, const SettingValue &value, const std::string &json_path,
                         Field field, ShapeCandidate &candidate)
    {
        if (name == "path") {
            candidate.paths.emplace_back();
            return Path(value, json_path + ".path", candidate.paths.back());
        }
        if (name == "join")
            return Paths(value, json_path + ".join", max_joined, candidate.paths);
        if (name == "value")
            return Constant(value, json_path + ".value", candidate);
        if (name == "as")
            return As(value, json_path + ".as", field, candidate);
        if (name == "none")
            return None(value, json_path + ".none", candidate.none);
        if (name == "when")
            return When(value, json_path + ".when", candidate.when);
        if (name == "zone" && IsTime(FactsOf(field).reading))
            return Zone(value, json_path + ".zone", candidate.zone);
        return error_.RefuseUnknown(json_path, name);
    }

    bool Constant(const SettingValue &value, const std::string &json_path, ShapeCandidate &candidate)
    {
        candidate.is_constant = true;
        if (value.Is(Type::null))
            return true;
        JsonScalar scalar;
        if (value.Is(Type::boolean))
            scalar = {JsonScalar::Kind::boolean, value.flag, {}};
        else if (value.Is(Type::string))
            scalar = {JsonScalar::Kind::string, false, value.text};
        candidate.constant = ReadField(candidate.reading, scalar);
        if (!candidate.constant.known)
            return error_.Refuse(json_path, "must be a value of the field, as text, true or false, or null");
        candidate.text = value.text; // the reader sets the constant's text: copies move texts
        candidate.constant.text = {};
        return true;
    }

    bool As(const SettingValue &value, const std::string &json_path, Field field, ShapeCandidate &candidate)
    {
        const Reading own = FactsOf(field).reading;
        if (IsTime(own) && value.IsText("microseconds"))
            candidate.reading = Reading::microseconds;
        else if (IsDuration(own) && value.IsText("milliseconds"))
            candidate.reading = Reading::milliseconds;
        else if (IsTime(own) && value.IsText("local"))
            candidate.is_local = true;
        else if (!(IsTime(own) && value.IsText("time")) && !(IsDuration(own) && value.IsText("seconds")))
            return error_.Refuse(json_path, IsTime(own)       ? "must be time, local or microseconds"
                                            : IsDuration(own) ? "must be seconds or milliseconds"
                                                              : "is for times and durations");
        return true;
    }

    bool None(const SettingValue &value, const std::string &json_path, std::vector<std::string> &none)
    {
        if (!value.Is(Type::array))
            return error_.Refuse(json_path, "must be an array of texts");
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string here = json_path + "[" + std::to_string(i) + "]";
            if (!value.values[i].Is(Type::string))
                return error_.Refuse(here, "must be a text");
            if (!CountPart(here))
                return false;
            none.push_back(value.values[i].text);
        }
        return true;
    }

    bool Zone(const SettingValue &value, const std::string &json_path, ShapeZone &zone)
    {
        const bool is_word = value.Is(Type::string) && !IsBlank(value.text) && value.text.size() <= 64 &&
                             RunEnd(value.text, 0, IsLetterOfZone) == value.text.size();
        if (!is_word)
            return error_.Refuse(json_path, "must be a time zone: an offset such as +05:30, or a name");
        zone = {};
        zone.is_given = true;
        if (const auto offset = ParseOffset(value.text)) {
            zone.offset_seconds = *offset;
            return true;
        }
        zone.name = value.text;
        shape_.zones_.push_back(value.text);
        return true;
    }

    static bool IsLetterOfZone(char c)
    {
        return IsAsciiAlnum(c) || c == '/' || c == '_' || c == '+' || c == '-' || c == ':';
    }

    // ---- conditions ----

    // {"path": test, "path": [test, test]}: every path has to pass one of its tests.
    bool When(const SettingValue &value, const std::string &json_path,
              std::vector<ShapeCondition> &conditions)
    {
        if (!value.Is(Type::object))
            return error_.Refuse(json_path, "must be an object of paths and tests");
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string here =
                json_path + "." + (value.names[i].size() <= 40 ? value.names[i] : std::string("path"));
            ShapeCondition condition;
            if (!PathText(value.names[i], here, condition.path) ||
                !Tests(value.values[i], here, condition.any_of))
                return false;
            conditions.push_back(std::move(condition));
        }
        return true;
    }

    bool Tests(const SettingValue &value, const std::string &json_path, std::vector<ShapeTest> &tests)
    {
        if (!value.Is(Type::array))
            return Test(value, json_path, tests);
        for (std::size_t i = 0; i < value.values.size(); ++i)
            if (!Test(value.values[i], json_path + "[" + std::to_string(i) + "]", tests))
                return false;
        return !value.values.empty() || error_.Refuse(json_path, "must have a test");
    }

    bool Test(const SettingValue &value, const std::string &json_path, std::vector<ShapeTest> &tests)
    {
        using Kind = ShapeTest::Kind;
        constexpr std::size_t longest_pattern = 255;
        if (!CountPart(json_path))
            return false;
        if (value.Is(Type::null))
            tests.push_back({Kind::is_missing, {}});
        else if (value.Is(Type::boolean))
            tests.push_back({value.flag ? Kind::is_true : Kind::is_false, {}});
        else if (value.IsText("*"))
            tests.push_back({Kind::is_there, {}});
        else if (value.Is(Type::string) && value.text.size() <= longest_pattern)
            tests.push_back({Kind::matches, value.text});
        else
            return error_.Refuse(json_path, "must be a pattern of at most 255 bytes, null, true or false");
        return true;
    }

    // ---- paths ----

    bool Paths(const SettingValue &value, const std::string &json_path, std::size_t most,
               std::vector<ShapePath> &paths)
    {
        if (!value.Is(Type::array) || value.values.empty() || value.values.size() > most)
            return error_.Refuse(json_path, "must be an array of 1 to " + std::to_string(most) + " paths");
        for (std::size_t i = 0; i < value.values.size(); ++i) {
            const std::string here = json_path + "[" + std::to_string(i) + "]";
            paths.emplace_back();
            if (!CountPart(here) || !Path(value.values[i], here, paths.back()))
                return false;
        }
        return true;
    }

    bool CallPath(const SettingValue &value, const std::string &json_path, ShapePath &path)
    {
        return value.Is(Type::string) ? Steps(value.text, json_path, path)
                                      : error_.Refuse(json_path, "must be a path");
    }

    bool Path(const SettingValue &value, const std::string &json_path, ShapePath &path)
    {
        return value.Is(Type::string) ? PathText(value.text, json_path, path)
                                      : error_.Refuse(json_path, "must be a path");
    }

    // A field has one value.
    bool PathText(const std::string &text, const std::string &json_path, ShapePath &path)
    {
        return Steps(text, json_path, path) &&
               (!path.has_every || error_.Refuse(json_path, "has [*], but only the path of a call may"));
    }

    bool Steps(const std::string &text, const std::string &json_path, ShapePath &path)
    {
        path = {};
        path.text = text;
        std::string_view rest = text;
        if (rest == "$" || rest.starts_with("$.") || rest.starts_with("$[")) {
            path.from_root = true;
            rest.remove_prefix(rest.starts_with("$.") ? 2 : 1);
        }
        if (rest.empty() && text != "$")
            return error_.Refuse(json_path, "must be a path");
        while (!rest.empty())
            if (!Step(json_path, rest, path))
                return false;
        MarkFirstElements(path);
        return true;
    }

    // Takes one step off the path: a name up to a dot or a bracket, or an element in brackets.
    bool Step(const std::string &json_path, std::string_view &rest, ShapePath &path)
    {
        if (path.steps.size() == max_steps)
            return error_.Refuse(json_path, "has more than " + std::to_string(max_steps) + " steps");
        ShapeStep step{{}, 0, false, rest.starts_with("[*]")};
        if (step.is_every) {
            rest.remove_prefix(3);
            path.has_every = true;
        } else if (rest.front() == '[') {
            if (!Element(rest, step.element))
                return error_.Refuse(json_path, "has brackets without a whole number");
        } else {
            TakeName(rest, step.name);
            if (step.name.empty())
                return error_.Refuse(json_path, "has an empty name");
        }
        path.steps.push_back(std::move(step));
        if (rest.empty() || rest.front() == '[')
            return true;
        const bool goes_on = rest.front() == '.' && rest.size() > 1;
        rest.remove_prefix(1);
        return goes_on || error_.Refuse(json_path, "has an empty name");
    }

    // A backslash makes the next character a part of the name.
    static void TakeName(std::string_view &rest, std::string &name)
    {
        while (!rest.empty() && rest.front() != '.' && rest.front() != '[') {
            if (rest.front() == '\\' && rest.size() > 1)
                rest.remove_prefix(1);
            name += rest.front();
            rest.remove_prefix(1);
        }
    }

    static bool Element(std::string_view &rest, std::size_t &element)
    {
        constexpr std::size_t longest = 7; // a million elements
        const std::size_t close = rest.find(']');
        if (close == std::string_view::npos || close > longest + 1)
            return false;
        const std::string_view digits = rest.substr(1, close - 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), element);
        rest.remove_prefix(close + 1);
        return digits.empty() || (error == std::errc{} && end == digits.data() + digits.size());
    }

    static void MarkFirstElements(ShapePath &path)
    {
        const auto is_name = [&](std::size_t i) {
            return i >= path.steps.size() || !path.steps[i].name.empty();
        };
        path.takes_first = is_name(0);
        for (std::size_t i = 0; i < path.steps.size(); ++i)
            path.steps[i].takes_first = is_name(i + 1);
    }

    Shape &shape_;
    SettingError &error_;
    ShapeZone zone_;
    std::size_t parts_ = 0;
};

const Shape *Shape::Compile(std::string_view json, SettingError &error) noexcept
{
    error = {};
    Shape *shape = nullptr;
    try {
        shape = new Shape;
        if (ShapeCompiler(*shape, error).Compile(json))
            return shape;
    } catch (...) {
        error.out_of_memory = true; // only memory can fail: the parser does not throw
    }
    delete shape;
    return nullptr;
}

void Shape::Delete(const Shape *shape) noexcept
{
    delete shape;
}

} // namespace callhardening
