#include "core/policy/known_members.hpp"

#include <gtest/gtest.h>

#include <string>

using namespace callhardening;

namespace
{

std::string MadeUp(int i)
{
    return "made up " + std::to_string(i);
}

} // namespace

TEST(KnownMembers, TellsNamesAndNodesApart)
{
    constexpr PathNode root[] = {0}, deeper[] = {0, 1};
    KnownMembers known;
    const PathNodes here = *known.Intern(root), there = *known.Intern(deeper);
    known.Add(here, "call_id", {MemberClass::plain, 3, there});
    ASSERT_NE(known.Find(here, "call_id"), nullptr);
    EXPECT_EQ(known.Find(here, "call_id")->rule, 3);
    EXPECT_EQ(known.Find(here, "call_id")->reached.data(), there.data());
    EXPECT_EQ(known.Find(there, "call_id"), nullptr);
    EXPECT_EQ(known.Find(here, "call_ie"), nullptr);
}

TEST(KnownMembers, LearnsOnAfterNamesThatSendersMakeUp)
{
    constexpr PathNode root[] = {0};
    KnownMembers known;
    const PathNodes here = *known.Intern(root);
    for (int i = 0; i < 5000; ++i)
        known.Add(here, MadeUp(i), {MemberClass::plain, no_rule, here});
    known.Add(here, "call_id", {MemberClass::plain, 3, here});
    ASSERT_NE(known.Find(here, "call_id"), nullptr);
    EXPECT_EQ(known.Find(here, "call_id")->rule, 3);
}

TEST(KnownMembers, HoldsNoMoreThanItsShare)
{
    constexpr PathNode root[] = {0};
    KnownMembers known;
    const PathNodes here = *known.Intern(root);
    for (int i = 0; i < 5000; ++i)
        known.Add(here, MadeUp(i), {MemberClass::plain, no_rule, here});
    int found = 0;
    for (int i = 0; i < 5000; ++i)
        found += known.Find(here, MadeUp(i)) != nullptr ? 1 : 0;
    EXPECT_LE(found, 1024);
}
