#include "core/detectors/ssn.hpp"

namespace callhardening
{

Detection FindSsn(const Groups &g, const NumberStart &start) noexcept
{
    if (start.plus || start.uri || start.open || !g.HasSizes(0, {3, 2, 4}) || g.group[1].separator != '-' ||
        g.group[2].separator != '-' || g.group[1].open || g.group[2].open)
        return no_detection;
    const auto part = [&g](std::size_t k) { return g.text.substr(g.group[k].begin, g.group[k].size()); };
    const bool valid =
        part(0) != "000" && part(0) != "666" && part(0)[0] != '9' && part(1) != "00" && part(2) != "0000";
    const std::size_t end = g.group[2].end;
    return valid && EndsNumber(g.text, end) ? Detection{start.begin, end, Detector::ssn} : no_detection;
}

} // namespace callhardening
