// A connection of the history test, with its transactions. It reconnects when the server is back.
#pragma once

#include "log.hpp"

#include <csignal>
#include <libpq-fe.h>
#include <random>
#include <time.h>
#include <vector>

inline volatile sig_atomic_t is_stopping = 0;

inline void sleep_ms(long milliseconds)
{
    const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, nullptr);
}

// The clock of this machine, and so of the server.
inline long microseconds()
{
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

class Random
{
public:
    explicit Random(unsigned long seed) : engine_(seed) {}
    long Between(long least, long most) { return std::uniform_int_distribution<long>(least, most)(engine_); }
    bool Percent(int chance) { return Between(1, 100) <= chance; }

private:
    std::mt19937_64 engine_;
};

// The server has gone, with every open transaction.
struct Disconnected {
};

// An answer of the server.
class Result
{
public:
    explicit Result(PGresult *result) : result_(result) {}
    Result(Result &&other) noexcept : result_(other.result_) { other.result_ = nullptr; }
    Result(const Result &) = delete;
    Result &operator=(const Result &) = delete;
    ~Result() { PQclear(result_); }

    bool IsError() const
    {
        const ExecStatusType status = PQresultStatus(result_);
        return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
    }
    std::string SqlState() const
    {
        const char *state = PQresultErrorField(result_, PG_DIAG_SQLSTATE);
        return state == nullptr ? "" : state;
    }
    std::string Message() const
    {
        const char *message = PQresultErrorField(result_, PG_DIAG_MESSAGE_PRIMARY);
        return message == nullptr ? "" : message;
    }
    int Rows() const { return PQntuples(result_); }
    std::string Text(int row, int column) const { return PQgetvalue(result_, row, column); }
    long Number(int row, int column) const { return atol(PQgetvalue(result_, row, column)); }
    bool IsNull(int row, int column) const { return PQgetisnull(result_, row, column) != 0; }
    std::string CommandTag() const { return PQcmdStatus(result_); }

private:
    PGresult *result_;
};

// These ends of a statement return its times: the server's clock at its start, and clock and WAL position
// after its functions.
#define STARTED "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
#define NOW "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
#define CHANGES "(pg_current_wal_insert_lsn() - '0/0')::bigint"
#define WHEN STARTED ", " NOW ", " CHANGES

class Session
{
public:
    Session(const char *where, Log &log, Random &random) : where_(where), log_(log), random_(random) {}
    ~Session() { PQfinish(connection_); }

    // Waits for the server. False if the client must stop.
    bool Connect()
    {
        for (; !is_stopping; sleep_ms(20)) {
            PQfinish(connection_);
            connection_ = PQconnectdb(where_);
            PQsetNoticeProcessor(
                connection_, [](void *, const char *) {}, nullptr);
            if (PQstatus(connection_) == CONNECTION_OK && Greet())
                return true;
        }
        return false;
    }

    // Runs a statement. The caller handles errors of SQL. Without a server it throws.
    Result Try(const char *sql, const std::vector<std::string> &arguments = {})
    {
        std::vector<const char *> values;
        for (const std::string &argument : arguments)
            values.push_back(argument == "NULL" ? nullptr : argument.c_str());
        Result result(PQexecParams(connection_, sql, static_cast<int>(values.size()), nullptr, values.data(),
                                   nullptr, nullptr, 0));
        if (PQstatus(connection_) == CONNECTION_BAD)
            throw Disconnected{};
        return result;
    }

    Result Run(const char *sql, const std::vector<std::string> &arguments = {})
    {
        Result result = Try(sql, arguments);
        if (result.IsError()) {
            log_.Say("error", result.SqlState(), PQerrorMessage(connection_));
            // A server about to end sends nothing more.
            throw Disconnected{};
        }
        return result;
    }

    // -- transactions: each statement names its own ------------------------------------------------

    bool InTransaction() const { return in_transaction_; }
    int Transaction() const { return transaction_; }

    // Names the transaction of the next statement, if none is open.
    int Next()
    {
        if (!in_transaction_) {
            ++transaction_;
            log_.Say("auto", transaction_);
        }
        return transaction_;
    }

    void Begin()
    {
        ++transaction_;
        log_.Say("begin", transaction_);
        Run("BEGIN");
        in_transaction_ = true;
        const Result time = Run("SELECT " WHEN);
        log_.Say("begun", transaction_, time.Text(0, 1));
    }

    void End(bool commit)
    {
        log_.Say("end?", transaction_, commit ? "commit" : "rollback");
        const bool committed = Run(commit ? "COMMIT" : "ROLLBACK").CommandTag() == "COMMIT";
        in_transaction_ = false;
        Ended(committed ? "commit" : "rollback");
    }

    // The statement was a transaction of its own and has ended.
    void Done()
    {
        if (!in_transaction_)
            Ended("commit");
    }

    // PREPARE TRANSACTION has detached it.
    void Leave() { in_transaction_ = false; }

    void Ended(const char *how)
    {
        log_.Say("ended", transaction_, how);
        const Result time = Run("SELECT " WHEN);
        log_.Say("past", transaction_, time.Text(0, 1), time.Text(0, 2));
    }

private:
    // The first checkpoint identifies a life of the server: this test makes no others.
    bool Greet()
    {
        in_transaction_ = false;
        try {
            const bool sync = random_.Percent(5);
            const char *setting = getenv("HISTORY_SYNCHRONOUS");
            Try(sync || setting != nullptr ? "SET synchronous_commit = on" : "SET synchronous_commit = off");
            Try("SET client_min_messages = error");
            const Result life =
                Try("SELECT (checkpoint_lsn - '0/0')::bigint, pg_backend_pid() FROM pg_control_checkpoint()");
            if (life.IsError())
                return false;
            log_.Say("life", life.Text(0, 0), sync || setting != nullptr ? "sync" : "async", life.Text(0, 1));
            return true;
        } catch (const Disconnected &) {
            return false;
        }
    }

    const char *where_;
    Log &log_;
    Random &random_;
    PGconn *connection_ = nullptr;
    int transaction_ = 0;
    bool in_transaction_ = false;
};
