// Any bytes as a policy: refused with a field and a reason, or compiled to a policy that keeps its promises.
#include "core/policy/policy.hpp"

#include "fuzz.hpp"

using namespace callhardening;

namespace
{

// Walks down one path like the sanitizer.
void Walk(const Policy &policy)
{
    constexpr std::string_view names[] = {"a", "call_id", "note",     "password",
                                          "",  "a.b",     "\xC3\xA4", "date_x"};
    std::vector<PathNode> here(policy.max_reached()), next(policy.max_reached());
    PathNodes reached = policy.start();
    for (const std::string_view name : names) {
        const Step step = policy.Enter(reached, name, next.data());
        Require(step.reached.size() <= policy.max_reached(), "more nodes are reached than there are");
        Require(step.meaning == policy.Classify(name), "a name has two classes");
        policy.Remember(reached, name, step);
        if (const Step *known = policy.Known(reached, name))
            Require(known->rule == step.rule && known->meaning == step.meaning,
                    "a name is remembered wrongly");
        reached = step.reached;
        here.swap(next);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text = ToText(data, size);
    SettingError error;
    const Policy *policy = Policy::Compile(text, error);
    if (policy == nullptr) {
        Require(!error.out_of_memory, "memory is there");
        Require(error.field[0] != '\0' && error.reason[0] != '\0', "a refusal without a reason");
        return 0;
    }
    const Limits &limits = policy->limits();
    Require(limits.depth >= 1 && limits.depth <= max_depth, "depth out of range");
    Require(limits.members >= 1 && limits.items >= 1, "a limit of nothing");
    Require(limits.characters >= secret_marker.size(), "no room for the marker of a secret");
    Require(policy->max_bytes() >= least_max_bytes && policy->max_bytes() <= most_max_bytes,
            "budget out of range");
    Require(policy->hash().size() == 6, "a hash of another length");
    Require(policy->Classify("password") == MemberClass::credential, "a policy keeps a secret");
    Walk(*policy);
    Policy::Delete(policy);
    return 0;
}
