// The clients of the history test. By a seed they append events to a log, claim and complete them, or have
// them processed. They write down every question and answer. Clients and server are killed at any moment.
// Then check.py reads the logs.
//
//   client append|claim|process CONNECTION LOG SEED NAME EVENTS
//
// EVENTS is the event log. With HISTORY_QUIET a worker is never late or lost on purpose.

#include "session.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace
{

struct Client {
    Log &log;
    Random &random;
    Session &session;
    std::string name;   // of the client, never used again
    std::string events; // the event log
    bool is_quiet;
    long made; // number of events created
};

// -- appending events ----------------------------------------------------------------------------

// The fate of an event: f1 to f3 fail one to three times, `always` fails always, and `poison` kills its
// worker.
const char *random_fate(Random &random)
{
    const long roll = random.Between(1, 10000);
    return roll <= 8     ? "poison"
           : roll <= 80  ? "always"
           : roll <= 180 ? "f3"
           : roll <= 400 ? "f2"
           : roll <= 900 ? "f1"
                         : "ok";
}

// Most calls belong to one client, so that their order is known. They change over time. Some calls are shared
// by all clients.
std::string random_call(Client &client)
{
    if (client.random.Percent(10))
        return std::to_string(900000000 + time(nullptr) / 3 % 1000000 * 6 + client.random.Between(0, 5));
    const long writer = static_cast<long>(std::hash<std::string>{}(client.name) % 8000);
    return std::to_string(writer * 100000 + client.made / 60 * 4 + client.random.Between(0, 5));
}

// A body of HISTORY_PROVIDER. Its own members are beside the call's.
std::string body_of(const Client &client, const std::string &call, bool is_over, const std::string &more)
{
    static const char *const provider = getenv("HISTORY_PROVIDER");
    const bool is_zoom = provider != nullptr && provider == std::string("zoom_phone");
    const std::string time = std::to_string(1700000000000 + client.made);
    if (is_zoom)
        return std::string("{\"event\": \"phone.callee_") + (is_over ? "ended" : "answered") +
               "\", \"event_ts\": " + time + ", \"payload\": {\"object\": {\"call_id\": \"" + call +
               "\"}}, " + more + "}";
    return "{\"call_id\": " + call + ", \"state\": \"" + (is_over ? "hangup" : "connected") +
           "\", \"event_timestamp\": " + time + ", " + more + "}";
}

// Appends an event in the open transaction.
void append_event(Client &client)
{
    const std::string tag = client.name + ":" + std::to_string(++client.made), call = random_call(client);
    const bool is_over = !client.random.Percent(50);
    const std::string body = body_of(
        client, call, is_over, "\"tag\": \"" + tag + "\", \"fate\": \"" + random_fate(client.random) + "\"");
    client.log.Say("append", client.session.Transaction(), tag, call);
    if (client.random.Percent(50))
        client.session.Run("SELECT ingest_call_event($1::jsonb, $2::regclass)", {body, client.events});
    else
        client.session.Run(("INSERT INTO " + client.events + " (payload) VALUES ($1::jsonb)").c_str(),
                           {body});
}

// Appends events inside a savepoint, and may roll back to it.
void append_in_subtransaction(Client &client)
{
    const bool keep = client.random.Percent(40);
    const long before = client.made;
    client.session.Run("SAVEPOINT s");
    for (long n = client.random.Between(1, 3); n > 0; --n)
        append_event(client);
    client.session.Run(keep ? "RELEASE s" : "ROLLBACK TO s");
    for (long n = before + 1; !keep && n <= client.made; ++n)
        client.log.Say("undone", client.session.Transaction(), client.name + ":" + std::to_string(n));
}

void append_some(Client &client)
{
    const long roll = client.random.Between(1, 100);
    const bool is_slow = roll <= 4;
    for (long n = client.random.Between(1, roll <= 2 ? 40 : 8); n > 0; --n) {
        if (client.random.Percent(15))
            append_in_subtransaction(client);
        else
            append_event(client);
        if (is_slow)
            sleep_ms(client.random.Between(50, 700));
    }
}

struct Prepared {
    int transaction;
    std::string name;
};

void prepare(Client &client, std::vector<Prepared> &prepared)
{
    Session &session = client.session;
    const Prepared next = {session.Transaction(), client.name + "-" + std::to_string(session.Transaction())};
    client.log.Say("prepare?", next.transaction, next.name);
    session.Run(("PREPARE TRANSACTION '" + next.name + "'").c_str());
    client.log.Say("prepared", next.transaction, next.name);
    session.Leave();
    prepared.push_back(next);
}

// After a crash a lost transaction cannot be found.
void resolve(Client &client, std::vector<Prepared> &prepared)
{
    const Prepared last = prepared.back();
    prepared.pop_back();
    const bool commit = client.random.Percent(70);
    client.log.Say("end?", last.transaction, commit ? "commit" : "rollback");
    const Result result = client.session.Try(
        ((commit ? "COMMIT PREPARED '" : "ROLLBACK PREPARED '") + last.name + "'").c_str());
    if (result.IsError())
        return;
    client.log.Say("ended", last.transaction, commit ? "commit" : "rollback");
    const Result time = client.session.Run("SELECT " WHEN);
    client.log.Say("past", last.transaction, time.Text(0, 1), time.Text(0, 2));
}

void append_transaction(Client &client, std::vector<Prepared> &prepared)
{
    client.session.Begin();
    append_some(client);
    if (client.random.Percent(6))
        prepare(client, prepared);
    else
        client.session.End(!client.random.Percent(8));
    if (!prepared.empty() && client.random.Percent(15))
        resolve(client, prepared);
}

void append_for_ever(Client &client)
{
    std::vector<Prepared> prepared;
    while (!is_stopping && client.session.Connect())
        try {
            while (!is_stopping) {
                append_transaction(client, prepared);
                sleep_ms(client.random.Between(0, 60));
            }
            while (!prepared.empty())
                resolve(client, prepared);
        } catch (const Disconnected &) {
        }
}

// -- claiming ------------------------------------------------------------------------------------

struct Row {
    long seq;
    int attempt;
    std::string call, tag, fate;
};

struct Held {
    long claim;
    std::vector<Row> rows;
    std::set<std::string> failed_calls;
    bool is_stale = false;
    bool was_touched = false; // a question about it has no known answer
};

using Claims = std::vector<Held>; // by claim id: lanes are locked in this order

struct Worker {
    Client &client;
    Claims held;
    std::vector<long> old; // claims that have ended
    long lease = 0;        // milliseconds, of the last claim
    Claims done;           // to be completed with the next claim
};

std::string array_of(const Claims &claims)
{
    std::string ids;
    for (const Held &held : claims)
        ids += (ids.empty() ? "" : ",") + std::to_string(held.claim);
    return "{" + ids + "}";
}

std::string milliseconds(long time)
{
    return std::to_string(time) + " ms";
}

void keep_rows(Worker &worker, const Result &result, int transaction)
{
    std::map<long, Held> claims;
    Log &log = worker.client.log;
    for (int i = 0; i < result.Rows(); ++i) {
        log.Add("row", transaction, result.Text(i, 0), result.Text(i, 1), result.Text(i, 2),
                result.Text(i, 3), result.Text(i, 4));
        Held &held = claims[result.Number(i, 0)];
        held.claim = result.Number(i, 0);
        held.rows.push_back({result.Number(i, 1), static_cast<int>(result.Number(i, 2)), result.Text(i, 3),
                             result.Text(i, 4), result.Text(i, 5)});
    }
    log.Write();
    worker.held.clear();
    for (auto &[id, held] : claims)
        worker.held.push_back(std::move(held));
}

void end_claims(Worker &worker, Claims &claims, const char *verb);

// A claim to complete is lost: the statement has done nothing. Only the lost claim has an answer.
void lose_claim(Worker &worker, const Result &result, int transaction, long asked)
{
    Client &client = worker.client;
    long claim;
    char outcome[16];
    if (sscanf(result.Message().c_str(), "claim %ld is %15s", &claim, outcome) != 2) {
        client.log.Say("error", result.SqlState(), result.Message());
        throw Disconnected{};
    }
    client.log.Say("lost", transaction, claim, outcome, asked, microseconds());
    client.session.Ended("rollback");
    end_claims(worker, worker.done, "complete");
    worker.done.clear();
}

// Without rows there is no time of the server.
void log_completed(Worker &worker, const Result &result, int transaction, long asked)
{
    const bool any = result.Rows() > 0;
    for (const Held &held : worker.done)
        worker.client.log.Add("close!", transaction, "complete", held.claim, "completed",
                              any ? result.Text(0, 6) : std::to_string(asked),
                              any ? result.Text(0, 7) : std::to_string(microseconds()),
                              any ? result.Text(0, 8) : "0");
    worker.done.clear();
}

// Claims a batch; false if there is none. A lease of 0 milliseconds means a claim for the transaction
// only. Completes the done claims in the same statement.
bool claim(Worker &worker, long lease)
{
    static const long batches[] = {1, 2, 5, 10, 30, 100};
    Client &client = worker.client;
    const long most = batches[client.random.Between(0, 5)];
    const int transaction = client.session.Next();
    const std::string length = lease == 0 ? "NULL" : milliseconds(lease);
    const std::string done = worker.done.empty() ? "NULL" : array_of(worker.done);
    static const char *const consumer = getenv("HISTORY_CONSUMER");
    const long asked = microseconds();
    if (!worker.done.empty())
        client.log.Say("close?", transaction, "complete", done, asked);
    client.log.Say("claim?", transaction, lease, most, asked);
    const Result result = client.session.Try(
        "SELECT c.claim_id, c.event_seq, c.attempt, c.call_id, c.payload ->> 'tag', c.payload ->> "
        "'fate', " WHEN " FROM claim_call_events($1::int, $2::interval, $3, $4::regclass, complete => "
                        "$5::bigint[], consumer => $6) "
        "AS c",
        {std::to_string(most), length, client.name, client.events, done, consumer ? consumer : "default"});
    if (result.IsError()) {
        lose_claim(worker, result, transaction, asked);
        return false;
    }
    log_completed(worker, result, transaction, asked);
    if (result.Rows() == 0)
        client.log.Add("claim!", transaction, lease, most, 0, 0, 0, 0);
    else
        client.log.Add("claim!", transaction, lease, most, result.Rows(), result.Text(0, 6),
                       result.Text(0, 7), result.Text(0, 8));
    keep_rows(worker, result, transaction);
    client.session.Done();
    worker.lease = lease;
    return result.Rows() > 0;
}

void die_of_poison(const Worker &worker)
{
    for (const Held &held : worker.held)
        for (const Row &row : held.rows)
            if (row.fate == "poison")
                kill(getpid(), SIGKILL);
}

// -- verbs ---------------------------------------------------------------------------------------

void end_claims(Worker &worker, Claims &claims, const char *verb)
{
    Client &client = worker.client;
    const int transaction = client.session.Next();
    const std::string ids = array_of(claims);
    for (Held &held : claims)
        held.was_touched = true;
    client.log.Say("close?", transaction, verb, ids, microseconds());
    const std::string function =
        std::string(verb) == "complete" ? "complete_call_events" : "release_call_events";
    const Result result = client.session.Run(
        ("SELECT c.claim_id, c.outcome, " WHEN " FROM " + function + "($1::bigint[]) AS c").c_str(), {ids});
    for (int i = 0; i < result.Rows(); ++i) {
        client.log.Add("close!", transaction, verb, result.Text(i, 0), result.Text(i, 1), result.Text(i, 2),
                       result.Text(i, 3), result.Text(i, 4));
        for (Held &held : claims)
            if (held.claim == result.Number(i, 0))
                held.is_stale = result.Text(i, 1) == "stale" || result.Text(i, 1) == "unknown";
    }
    client.log.Write();
    client.session.Done();
}

void fail(Worker &worker, Held &held, const Row &row)
{
    Client &client = worker.client;
    const int transaction = client.session.Next();
    const char *after = client.random.Percent(70) ? "NULL" : client.random.Percent(50) ? "0" : "80 ms";
    held.was_touched = true;
    client.log.Say("fail?", transaction, held.claim, row.seq, row.tag, microseconds());
    const Result result = client.session.Run(
        "SELECT fail_call_event($1::bigint, $2::bigint, 'as it was to be', $3::interval), " WHEN,
        {std::to_string(held.claim), std::to_string(row.seq), after});
    client.log.Say("fail!", transaction, held.claim, row.seq, row.tag, result.Text(0, 0), result.Text(0, 1),
                   result.Text(0, 2), result.Text(0, 3));
    client.session.Done();
    held.is_stale = result.Text(0, 0) == "stale";
    held.failed_calls.insert(row.call);
}

bool is_to_fail(const Row &row)
{
    return row.fate == "always" || (row.fate[0] == 'f' && row.attempt <= row.fate[1] - '0');
}

void fail_what_fails(Worker &worker)
{
    for (Held &held : worker.held)
        for (const Row &row : held.rows)
            if (!held.is_stale && held.failed_calls.count(row.call) == 0 && is_to_fail(row))
                fail(worker, held, row);
}

void renew(Worker &worker, long id, long lease)
{
    Client &client = worker.client;
    const int transaction = client.session.Next();
    client.log.Say("renew?", transaction, id, lease, microseconds());
    const Result result = client.session.Run(
        "SELECT (extract(epoch FROM renew_call_claim($1::bigint, $2::interval)) * 1000000)::bigint, " WHEN,
        {std::to_string(id), milliseconds(lease)});
    client.log.Say("renew!", transaction, id, result.IsNull(0, 0) ? "stale" : result.Text(0, 0),
                   result.Text(0, 1), result.Text(0, 2), result.Text(0, 3));
    client.session.Done();
}

// False if the claim is stale. Then the transaction is aborted.
bool assert_claim(Worker &worker, long id)
{
    Client &client = worker.client;
    const Result result =
        client.session.Try("SELECT assert_call_claim($1::bigint), " WHEN, {std::to_string(id)});
    if (result.IsError() && result.SqlState() != "55000") {
        client.log.Say("error", result.SqlState(), "assert_call_claim");
        throw Disconnected{};
    }
    if (result.IsError())
        client.log.Say("assert!", client.session.Transaction(), id, "stale");
    else
        client.log.Say("assert!", client.session.Transaction(), id, "current", result.Text(0, 1),
                       result.Text(0, 2), result.Text(0, 3));
    return !result.IsError();
}

// The worker's effects on the database. They can be counted later.
void write_effects(Worker &worker, const Held &held)
{
    std::string tags, attempts;
    for (const Row &row : held.rows) {
        if (held.failed_calls.count(row.call) != 0)
            continue;
        tags += (tags.empty() ? "" : ",") + row.tag;
        attempts += (attempts.empty() ? "" : ",") + std::to_string(row.attempt);
    }
    worker.client.session.Run(
        "INSERT INTO effects (claim_id, tag, attempt) SELECT $1::bigint, * FROM unnest($2::text[], "
        "$3::int[])",
        {std::to_string(held.claim), "{" + tags + "}", "{" + attempts + "}"});
}

// -- what a worker does with its claims ----------------------------------------------------------

void forget(Worker &worker)
{
    for (const Held &held : worker.held)
        worker.old.push_back(held.claim);
    if (worker.old.size() > 50)
        worker.old.erase(worker.old.begin(), worker.old.begin() + 25);
    worker.held.clear();
}

void oversleep(Worker &worker)
{
    sleep_ms(worker.lease + worker.client.random.Between(1, 1 + worker.lease));
}

void think(Worker &worker)
{
    Random &random = worker.client.random;
    if (worker.client.is_quiet)
        return;
    if (random.Percent(4))
        oversleep(worker);
    else if (random.Percent(60))
        sleep_ms(random.Between(0, 30));
    if (random.Percent(6))
        for (const Held &held : worker.held)
            renew(worker, held.claim, random.Between(200, 1500));
}

// Checks the claim, works, and completes, in one transaction.
void complete_with_effects(Worker &worker)
{
    Client &client = worker.client;
    bool is_current = true;
    client.session.Begin();
    for (size_t i = 0; i < worker.held.size() && is_current; ++i) {
        is_current = assert_claim(worker, worker.held[i].claim);
        if (is_current)
            write_effects(worker, worker.held[i]);
    }
    if (is_current && !client.is_quiet && client.random.Percent(3))
        oversleep(worker);
    if (is_current)
        end_claims(worker, worker.held, "complete");
    for (const Held &held : worker.held)
        is_current = is_current && !held.is_stale;
    client.session.End(is_current && !client.random.Percent(4));
}

void complete_one_by_one(Worker &worker)
{
    for (Held &held : worker.held) {
        Claims one = {held};
        end_claims(worker, one, "complete");
    }
}

void finish(Worker &worker)
{
    Random &random = worker.client.random;
    if (random.Percent(30))
        worker.done = worker.held;
    else if (random.Percent(40))
        complete_with_effects(worker);
    else if (random.Percent(20))
        complete_one_by_one(worker);
    else
        end_claims(worker, worker.held, "complete");
}

void work_on_claims(Worker &worker)
{
    Random &random = worker.client.random;
    die_of_poison(worker);
    think(worker);
    if (!worker.client.is_quiet && random.Percent(3))
        return; // like a lost worker
    if (!worker.client.is_quiet && random.Percent(4))
        return end_claims(worker, worker.held, "release");
    fail_what_fails(worker);
    finish(worker);
}

// Claims events, and with them completes claims of the last batch.
void claim_and_work(Worker &worker)
{
    do {
        const bool any = claim(worker, worker.client.random.Between(300, 1500));
        if (any)
            work_on_claims(worker);
        else
            sleep_ms(worker.client.random.Between(5, 40));
        forget(worker);
    } while (!worker.done.empty());
}

// A worker may not know that its claim has ended.
void try_old_claim(Worker &worker)
{
    Random &random = worker.client.random;
    if (worker.old.empty())
        return;
    Claims old(1);
    old[0].claim = worker.old[random.Between(0, static_cast<long>(worker.old.size()) - 1)];
    if (random.Percent(40))
        end_claims(worker, old, "complete");
    else if (random.Percent(50))
        end_claims(worker, old, "release");
    else
        renew(worker, old[0].claim, 300);
}

// One transaction makes the claim, works and completes it.
void work_in_transaction(Worker &worker)
{
    Client &client = worker.client;
    Random &random = client.random;
    client.session.Begin();
    if (!client.is_quiet && random.Percent(15))
        append_event(client);
    if (random.Percent(15)) {
        client.session.Run("SAVEPOINT s");
        claim(worker, 0);
        client.session.Run("ROLLBACK TO s");
        client.log.Say("unclaimed", client.session.Transaction());
        worker.held.clear();
    }
    if (claim(worker, random.Percent(80) ? 0 : random.Between(300, 1500))) {
        die_of_poison(worker);
        if (!client.is_quiet && random.Percent(30))
            append_event(client);
        sleep_ms(random.Between(0, 40));
        fail_what_fails(worker);
        for (const Held &held : worker.held)
            write_effects(worker, held);
        end_claims(worker, worker.held, "complete");
    }
    client.session.End(!random.Percent(client.is_quiet ? 0 : 20));
}

// A claim committed without a lease can be taken over by any worker.
void claim_without_lease(Worker &worker)
{
    Client &client = worker.client;
    client.session.Begin();
    const bool any = claim(worker, 0);
    client.session.End(true);
    if (any) {
        die_of_poison(worker);
        end_claims(worker, worker.held, "complete");
    }
}

void work_once(Worker &worker)
{
    Random &random = worker.client.random;
    const long roll = random.Between(1, 100);
    if (roll <= 14)
        work_in_transaction(worker);
    else if (roll <= 18 && !worker.client.is_quiet)
        claim_without_lease(worker);
    else
        claim_and_work(worker);
    forget(worker);
    if (random.Percent(5))
        try_old_claim(worker);
}

// After a crash a worker does not know the state of its claim, and may go on with it.
void go_on(Worker &worker)
{
    worker.done.clear();
    for (const Held &held : worker.held)
        if (held.was_touched)
            return forget(worker);
    if (!worker.held.empty() && worker.client.random.Percent(60)) {
        fail_what_fails(worker);
        end_claims(worker, worker.held, "complete");
    }
    forget(worker);
}

void claim_for_ever(Client &client)
{
    Worker worker{client, {}, {}, 0, {}};
    while (!is_stopping && client.session.Connect())
        try {
            go_on(worker);
            while (!is_stopping)
                work_once(worker);
        } catch (const Disconnected &) {
        }
}

// -- processing ----------------------------------------------------------------------------------

void process_once(Client &client)
{
    static const long batches[] = {1, 5, 20, 200};
    client.session.Begin();
    const Result result =
        client.session.Run("INSERT INTO sums SELECT p.* FROM process_call_events($1::int, $2::regclass) AS p "
                           "RETURNING claimed",
                           {std::to_string(batches[client.random.Between(0, 3)]), client.events});
    const bool any = result.Number(0, 0) > 0;
    if (any && !client.is_quiet)
        sleep_ms(client.random.Between(0, 20));
    client.session.End(any && (client.is_quiet || !client.random.Percent(10)));
    if (!any)
        sleep_ms(client.random.Between(10, 60));
}

void process_for_ever(Client &client)
{
    while (!is_stopping && client.session.Connect())
        try {
            while (!is_stopping)
                process_once(client);
        } catch (const Disconnected &) {
        }
}

void stop(int)
{
    is_stopping = 1;
}

} // namespace

int main(int count, char **words)
{
    if (count != 7) {
        fprintf(stderr, "client append|claim|process CONNECTION LOG SEED NAME EVENTS\n");
        return 2;
    }
    signal(SIGTERM, stop);
    const std::string kind = words[1];
    Log log(words[3]);
    Random random(strtoul(words[4], nullptr, 10));
    Session session(words[2], log, random);
    Client client{log, random, session, words[5], words[6], getenv("HISTORY_QUIET") != nullptr, 0};
    if (kind == "append")
        append_for_ever(client);
    else if (kind == "claim")
        claim_for_ever(client);
    else
        process_for_ever(client);
    log.Say("stopped");
    return 0;
}
