// The log of a client of the history test. Lines reach the kernel before the client acts on them, so they
// survive the client.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>

class Log
{
public:
    explicit Log(const char *path) : file_(open(path, O_WRONLY | O_CREAT | O_APPEND, 0600))
    {
        if (file_ < 0) {
            perror(path);
            exit(2);
        }
    }

    // Adds one line, with tabs between the words. `Write` sends several lines at once.
    template <typename... Words>
    void Add(const Words &...words)
    {
        const size_t start = lines_.size();
        ((lines_ += text_of(words), lines_ += '\t'), ...);
        lines_.back() = '\n';
        for (size_t i = start; i + 1 < lines_.size(); ++i)
            if (lines_[i] == '\n')
                lines_[i] = ' ';
    }

    // A signal can cut off a write. The checker notices it: the last line has no end, or some lines are
    // missing.
    void Write()
    {
        if (write(file_, lines_.data(), lines_.size()) != static_cast<ssize_t>(lines_.size())) {
            perror("write");
            exit(2);
        }
        lines_.clear();
    }

    template <typename... Words>
    void Say(const Words &...words)
    {
        Add(words...);
        Write();
    }

private:
    static const std::string &text_of(const std::string &word) { return word; }
    static std::string text_of(const char *word) { return word; }
    static std::string text_of(long number) { return std::to_string(number); }
    static std::string text_of(int number) { return std::to_string(number); }

    int file_;
    std::string lines_;
};
