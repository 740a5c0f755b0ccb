// Names, and sentences of conversations, for the invented company.
//
// Telephone numbers are from ranges reserved for fiction (555-0100 to 555-0199, 020 7946 0xxx). Addresses are
// under example.com.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

constexpr std::string_view first_names[] = {
    "Alex", "Maria", "James", "Chloé", "Wei",   "Priya", "Tom",    "Zoë",    "Jürgen", "Ana",
    "Omar", "Grace", "Liam",  "Sofía", "Noah",  "Emma",  "Diego",  "Hannah", "Ivan",   "Ruth",
    "Kofi", "Leila", "Paul",  "Nina",  "Samir", "Julia", "Victor", "Amy",    "Renée",  "Marcus"};

constexpr std::string_view last_names[] = {
    "Smith",  "Nguyen", "Garcia", "Müller",    "Johnson", "Patel",  "Brown",  "Kim",   "Martínez", "Lee",
    "Walker", "Ivanov", "Okafor", "Schmidt",   "Rossi",   "Clark",  "Lewis",  "Muñoz", "Hall",     "Young",
    "Dubois", "Haddad", "Wright", "Lindström", "Baker",   "Turner", "Mensah", "Cohen", "Reyes"};

constexpr std::string_view callcenter_names[] = {"Customer Care",     "Orders and Returns", "Billing",
                                                 "Technical Support", "Scheduling",         "After Hours"};
constexpr std::string_view department_names[] = {"Sales", "Accounts", "Service", "Human Resources"};
constexpr std::string_view office_name = "Example Home Services";

constexpr std::string_view us_area_codes[] = {"201", "206", "212", "213", "214", "240", "303", "305",
                                              "312", "313", "404", "415", "469", "503", "510", "512",
                                              "602", "617", "619", "702", "713", "720", "808", "916"};
constexpr std::string_view company_area_code = "628";

constexpr std::string_view labels[] = {"billing", "vip",          "spanish", "follow-up",
                                       "refund",  "new customer", "warranty"};
constexpr std::string_view dispositions[] = {"Resolved", "Callback scheduled", "Wrong number", "Escalated",
                                             "Sold"};

constexpr std::string_view inbound_words[] = {"inbound",  "INBOUND",  "Incoming", "in",      "Inbound",
                                              "in-bound", "incoming", "In_Bound", " inbound"};
constexpr std::string_view outbound_words[] = {"outbound", "OUTBOUND",  "Outbound API",
                                               "out",      "Outgoing",  "out-going",
                                               "outgoing", "out_bound", "Outbound-Dial"};
constexpr std::string_view unknown_directions[] = {"sideways", "lateral", "roundabout", "inwards"};

// A sentence has one of each.
constexpr std::string_view openings[] = {
    "Okay, so",
    "Right,",
    "Let me see,",
    "I understand, and",
    "Well,",
    "To be honest,",
    "As I said,",
    "Sorry about that,",
    "One moment please,",
    "Yes,",
    "No,",
    "Actually,",
    "Thanks for waiting,",
    "The thing is that",
    "Just to confirm,",
    "According to this,",
    "Before I forget,",
    "If that's all right,",
    "Good question,",
    "From what I can see,",
};
constexpr std::string_view subjects[] = {
    "the technician",      "your last invoice",       "the replacement part", "our billing department",
    "the account manager", "the order from Tuesday",  "my husband",           "the warranty on the heater",
    "the new thermostat",  "somebody from the team",  "the delivery company", "the refund",
    "the appointment",     "your credit card",        "the water pressure",   "the contract",
    "the warehouse",       "the e-mail that we sent", "the upstairs unit",    "the service plan",
};
constexpr std::string_view predicates[] = {
    "should be there between ten and noon",
    "was charged twice in the same week",
    "is still waiting for a confirmation",
    "has been moved to next Thursday",
    "could not be reached at that number",
    "comes with a two year guarantee",
    "stopped working after the storm",
    "needs to be signed before the end of the month",
    "was sent to the old address",
    "will call back this afternoon",
    "is covered, so there is nothing to pay",
    "went out yesterday with the usual carrier",
    "makes a strange noise when it starts",
    "has to be checked by the supervisor first",
    "shows up as pending on my side",
    "costs forty dollars more than last year",
    "can be changed online as well",
    "was cancelled without telling anybody",
};

} // namespace callhardening
