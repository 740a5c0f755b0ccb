// Workers of a queue, each a thread with a connection. A worker claims a batch, reads all of its rows and
// completes it, until enough events are done. One table holds the differences between the queues. Everything
// else is the same for all of them.
//
//   queue_client run SYSTEM SCHEMA BATCH CLIENTS EVENTS SECONDS [REFILL_EVENTS REFILL_SQL]
//
// SYSTEM is ours, next (ours, where the claim completes the last batch), textbook, pgq or floor.
// prints: events, events/s, events/s of the last tenth, milliseconds of a batch (median), events of a batch,
// microseconds of the server per event.
// REFILL_SQL runs each time after so many events, outside the measured time (one client).
//
//   queue_client poll SCHEMA POLLS
//
// prints: milliseconds of an empty claim (median), of the slowest hundredth, microseconds of the server.
//
//   queue_client hold CLIENTS SQL
//
// runs SQL in CLIENTS open transactions until standard input ends; # is their number.
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace
{

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration)
{
    return std::chrono::duration<double>(duration).count();
}

[[noreturn]] void Fail(PGconn *connection, const char *what)
{
    std::fprintf(stderr, "queue_client: %s: %s", what, PQerrorMessage(connection));
    std::exit(1);
}

// -- connections ---------------------------------------------------------------------------------

class Result
{
public:
    Result(PGconn *connection, PGresult *result) : result_(result)
    {
        if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
            Fail(connection, "a statement failed");
    }
    ~Result() { PQclear(result_); }
    Result(const Result &) = delete;
    Result &operator=(const Result &) = delete;

    int Rows() const { return PQntuples(result_); }
    const char *Value(int row, int column) const { return PQgetvalue(result_, row, column); }
    bool IsNull(int row, int column) const { return PQgetisnull(result_, row, column); }
    long Affected() const { return std::atol(PQcmdTuples(result_)); }

private:
    PGresult *result_;
};

// libpq takes the server from PGHOST and the like.
PGconn *Connect()
{
    PGconn *connection = PQconnectdb("");
    if (PQstatus(connection) != CONNECTION_OK)
        Fail(connection, "no connection");
    return connection;
}

void Prepare(PGconn *connection, const char *name, const std::string &sql)
{
    const Result done(connection, PQprepare(connection, name, sql.c_str(), 0, nullptr));
}

PGresult *Execute(PGconn *connection, const char *name, const std::vector<std::string> &values)
{
    std::vector<const char *> pointers;
    for (const std::string &value : values)
        pointers.push_back(value.c_str());
    return PQexecPrepared(connection, name, static_cast<int>(pointers.size()), pointers.data(), nullptr,
                          nullptr, 0);
}

void Run(PGconn *connection, const std::string &sql)
{
    const Result done(connection, PQexec(connection, sql.c_str()));
}

// -- queues --------------------------------------------------------------------------------------

struct Options {
    std::string system, schema;
    int batch = 1, clients = 1;
    long events = 0;
    double seconds = 0;
    long refill_events = 0;
    std::string refill;
};

// An array of the ids in the first column. Neighbouring equal ids appear once.
std::string Ids(const Result &rows)
{
    std::string ids = "{";
    for (int i = 0; i < rows.Rows(); ++i) {
        if (i > 0 && std::strcmp(rows.Value(i, 0), rows.Value(i - 1, 0)) == 0)
            continue;
        ids += i > 0 ? "," : "";
        ids += rows.Value(i, 0);
    }
    return ids + "}";
}

class Worker
{
public:
    Worker(const Options &options, int number)
        : options_(options), queue_("bench_" + std::to_string(number)),
          position_(number * options.events / options.clients), connection_(Connect())
    {
        Run(connection_, "SET client_min_messages = error");
        if (options.system == "pgq")
            PreparePgq();
        else if (options.system == "floor")
            PrepareFloor();
        else if (options.system == "textbook")
            PrepareTextbook();
        else
            PrepareOurs();
    }
    ~Worker() { PQfinish(connection_); }
    Worker(const Worker &) = delete;
    Worker &operator=(const Worker &) = delete;

    // Claims, reads and completes a batch. Returns the number of its events.
    int Batch()
    {
        return options_.system == "pgq"     ? PgqBatch()
               : options_.system == "floor" ? FloorBatch()
               : options_.system == "next"  ? NextBatch()
                                            : ClaimedBatch();
    }

    // The batch that waits for the next claim. Not measured.
    void Finish()
    {
        if (done_ != "{}")
            const Result completed(connection_, Execute(connection_, "complete", {done_}));
    }

    int EmptyPoll()
    {
        const Result rows(connection_, Execute(connection_, "claim", {std::to_string(options_.batch)}));
        return rows.Rows();
    }

    PGconn *Connection() const { return connection_; }

    // Processor nanoseconds of the worker's backend.
    long ProcessorTime() const
    {
        std::ifstream file("/proc/" + std::to_string(PQbackendPID(connection_)) + "/schedstat");
        long time = 0;
        file >> time;
        return time;
    }

private:
    // The ids of a batch are those of its claims, one for each of its lanes.
    void PrepareOurs()
    {
        Prepare(connection_, "claim",
                "SELECT claim_id, event_seq, call_id, event_type, attempt, received_at, payload FROM "
                "claim_call_events($1, log => '" +
                    options_.schema + ".call_events')");
        Prepare(connection_, "complete",
                "SELECT claim_id FROM complete_call_events($1) WHERE outcome = 'completed'");
        Prepare(connection_, "next",
                "SELECT claim_id, event_seq, call_id, event_type, attempt, received_at, payload FROM "
                "claim_call_events($1, log => '" +
                    options_.schema + ".call_events', complete => $2)");
    }

    void PrepareTextbook()
    {
        const std::string table = options_.schema + ".textbook";
        Prepare(connection_, "claim",
                "WITH next AS (SELECT id FROM " + table +
                    " WHERE state = 'ready' ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) UPDATE " + table +
                    " AS t SET state = 'claimed', attempt = attempt + 1, worker = 'bench', lease_end = "
                    "clock_timestamp() + interval '30 s'"
                    " FROM next WHERE t.id = next.id RETURNING t.id, call_id, event_type, attempt, "
                    "received_at, payload");
        Prepare(connection_, "complete", "DELETE FROM " + table + " WHERE id = ANY ($1) RETURNING id");
    }

    void PreparePgq()
    {
        Prepare(connection_, "next", "SELECT pgq.next_batch($1, 'bench')");
        Prepare(connection_, "events",
                "SELECT ev_id, ev_time, ev_retry, ev_type, ev_data, ev_extra1 FROM pgq.get_batch_events($1)");
        Prepare(connection_, "finish", "SELECT pgq.finish_batch($1)");
    }

    // Not a queue, but the minimum of each durable one: a commit to claim, rows to send, a commit to
    // complete.
    void PrepareFloor()
    {
        const std::string mark = "INSERT INTO " + options_.schema + ".floor_marks (id) VALUES ($1)";
        Prepare(connection_, "claim",
                "WITH mark AS (" + mark +
                    ") SELECT id, call_id, event_type, attempt, received_at, payload FROM " +
                    options_.schema + ".floor WHERE id > $1 ORDER BY id LIMIT $2");
        Prepare(connection_, "complete", mark);
    }

    int FloorBatch()
    {
        const Result rows(connection_, Execute(connection_, "claim",
                                               {std::to_string(position_), std::to_string(options_.batch)}));
        const Result completed(connection_, Execute(connection_, "complete", {std::to_string(position_)}));
        position_ += rows.Rows();
        return rows.Rows();
    }

    int ClaimedBatch()
    {
        const Result rows(connection_, Execute(connection_, "claim", {std::to_string(options_.batch)}));
        if (rows.Rows() == 0)
            return 0;
        const std::string ids = Ids(rows);
        const Result completed(connection_, Execute(connection_, "complete", {ids}));
        if (completed.Rows() != std::count(ids.begin(), ids.end(), ',') + 1) {
            std::fprintf(stderr, "queue_client: a claim was not completed\n");
            std::exit(1);
        }
        return rows.Rows();
    }

    // Completes the last batch and claims the next one. A lost claim would be an error.
    int NextBatch()
    {
        const Result rows(connection_,
                          Execute(connection_, "next", {std::to_string(options_.batch), done_}));
        done_ = Ids(rows);
        return rows.Rows();
    }

    int PgqBatch()
    {
        const Result next(connection_, Execute(connection_, "next", {queue_}));
        if (next.IsNull(0, 0))
            return 0;
        const std::string batch = next.Value(0, 0);
        const Result rows(connection_, Execute(connection_, "events", {batch}));
        const Result finished(connection_, Execute(connection_, "finish", {batch}));
        return rows.Rows();
    }

    const Options &options_;
    const std::string queue_;
    long position_;
    std::string done_ = "{}"; // claims of the last batch
    PGconn *connection_;
};

// -- measuring -----------------------------------------------------------------------------------

double Percentile(std::vector<double> &times, double part)
{
    if (times.empty())
        return 0;
    std::sort(times.begin(), times.end());
    return times[static_cast<std::size_t>(static_cast<double>(times.size() - 1) * part)];
}

// Shared by the threads.
struct Progress {
    std::atomic<long> events{0}, batches{0}, processor{0};
    std::mutex mutex;
    std::vector<double> batch_times;
    std::vector<std::pair<double, long>> points; // seconds since the start, events done
};

// Works until the events are done, the time is over, or no event has come for a second.
void Work(Worker &worker, const Options &options, Clock::time_point start, Progress &progress)
{
    std::vector<double> times;
    long not_counted = worker.ProcessorTime();
    double busy = 0;
    long since_refill = 0;
    for (Clock::time_point last = Clock::now(); progress.events < options.events;) {
        const Clock::time_point before = Clock::now();
        const int events = worker.Batch();
        const Clock::time_point after = Clock::now();
        busy += Seconds(after - before);
        const double passed = options.refill_events > 0 ? busy : Seconds(after - start);
        if (events > 0) {
            last = after;
            times.push_back(Seconds(after - before));
            const long done = progress.events += events;
            ++progress.batches;
            const std::lock_guard lock(progress.mutex);
            progress.points.emplace_back(passed, done);
        }
        if (passed > options.seconds || Seconds(after - last) > 1)
            break;
        since_refill += events;
        if (options.refill_events > 0 && since_refill >= options.refill_events) {
            const long processor = worker.ProcessorTime();
            Run(worker.Connection(), options.refill);
            not_counted += worker.ProcessorTime() - processor;
            since_refill = 0;
        }
    }
    progress.processor += worker.ProcessorTime() - not_counted;
    worker.Finish();
    const std::lock_guard lock(progress.mutex);
    progress.batch_times.insert(progress.batch_times.end(), times.begin(), times.end());
}

void Report(Progress &progress)
{
    auto &points = progress.points;
    if (points.empty()) {
        std::printf("0 0 0 0 0 0\n");
        return;
    }
    std::sort(points.begin(), points.end());
    const auto [seconds, events] = points.back();
    const auto tenth = std::find_if(points.begin(), points.end(),
                                    [&](const auto &point) { return point.second >= events * 9 / 10; });
    const double last = seconds - tenth->first;
    std::printf("%ld %.1f %.1f %.4f %.1f %.2f\n", events, static_cast<double>(events) / seconds,
                last > 0 ? static_cast<double>(events - tenth->second) / last : 0,
                1000 * Percentile(progress.batch_times, 0.5),
                static_cast<double>(events) / static_cast<double>(progress.batches),
                static_cast<double>(progress.processor) / 1000 / static_cast<double>(events));
}

int Measure(const Options &options)
{
    std::vector<Worker *> workers;
    for (int i = 0; i < options.clients; ++i)
        workers.push_back(new Worker(options, i));
    Progress progress;
    std::barrier ready(options.clients + 1);
    std::vector<std::thread> threads;
    Clock::time_point start;
    for (Worker *worker : workers)
        threads.emplace_back([&, worker] {
            ready.arrive_and_wait();
            Work(*worker, options, start, progress);
        });
    start = Clock::now();
    ready.arrive_and_wait();
    for (std::thread &thread : threads)
        thread.join();
    for (Worker *worker : workers)
        delete worker;
    Report(progress);
    return 0;
}

int Poll(const Options &options, long polls)
{
    Worker worker(options, 0);
    // Fills caches, and lets a prepared statement settle on a plan.
    for (int i = 0; i < 100; ++i)
        worker.EmptyPoll();
    std::vector<double> times;
    const long processor = worker.ProcessorTime();
    for (long i = 0; i < polls; ++i) {
        const Clock::time_point before = Clock::now();
        if (worker.EmptyPoll() != 0) {
            std::fprintf(stderr, "queue_client: a poll was not empty\n");
            return 1;
        }
        times.push_back(1000 * Seconds(Clock::now() - before));
    }
    const double median = Percentile(times, 0.5);
    const double used =
        static_cast<double>(worker.ProcessorTime() - processor) / 1000 / static_cast<double>(polls);
    std::printf("%.4f %.4f %.1f\n", median, Percentile(times, 0.99), used);
    return 0;
}

int Hold(int clients, const std::string &sql)
{
    std::vector<PGconn *> connections;
    for (int i = 0; i < clients; ++i) {
        std::string own = sql;
        for (std::size_t at; (at = own.find('#')) != std::string::npos;)
            own.replace(at, 1, std::to_string(i));
        connections.push_back(Connect());
        Run(connections.back(), "BEGIN");
        Run(connections.back(), own);
    }
    std::printf("holding\n");
    std::fflush(stdout);
    while (std::getchar() != EOF)
        ;
    for (PGconn *connection : connections)
        PQfinish(connection);
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "run" && argc >= 8) {
        Options options{
            argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5]), std::atol(argv[6]), std::atof(argv[7]),
            0,       ""};
        if (argc == 10) {
            options.refill_events = std::atol(argv[8]);
            options.refill = argv[9];
        }
        return Measure(options);
    }
    if (mode == "poll" && argc == 4)
        return Poll(Options{"ours", argv[2], 100, 1, 0, 0, 0, ""}, std::atol(argv[3]));
    if (mode == "hold" && argc == 4)
        return Hold(std::atoi(argv[2]), argv[3]);
    std::fprintf(stderr, "usage: see the head of queue_client.cpp\n");
    return 2;
}
