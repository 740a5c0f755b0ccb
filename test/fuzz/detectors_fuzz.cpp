// Secrets and detectors in any text: a finding lies in the text, and no further search finds its replacement.
#include "core/detectors/detector.hpp"
#include "core/findings/secret.hpp"

#include "fuzz.hpp"

#include <string>

using namespace callhardening;

namespace
{

void CheckSecrets(std::string_view text, bool only_hosts)
{
    std::size_t from = 0;
    for (SecretSpan span; (span = FindSecret({text, !MaySpell(text)}, from, text.size(), only_hosts)).Found();
         from = span.end)
        Require(span.begin >= from && span.end <= text.size(), "a secret out of range");
}

void CheckDetectors(std::string_view text)
{
    const Detectors all{Treatment::mask, Treatment::mask, Treatment::mask,
                        Treatment::mask, Treatment::mask, Treatment::mask};
    std::string out;
    std::size_t from = 0;
    for (Detection found; (found = Detect(text, from, text.size(), all)).Found(); from = found.end) {
        Require(found.begin >= from && found.end <= text.size(), "a finding out of range");
        char mask[mask_room];
        const std::size_t size =
            MaskDetected(text.substr(found.begin, found.end - found.begin), found.what, mask);
        Require(size <= mask_room, "a mask that has no room");
        out.append(text, from, found.begin - from).append(mask, size);
    }
    out.append(text, from);
    Require(!Detect(out, 0, out.size(), all).Found(), "what was masked is found again");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string_view text = ToText(data, size);
    CheckSecrets(text, false);
    CheckSecrets(text, true);
    CheckDetectors(text);
    return 0;
}
