// Numbers of jsonb by their bytes. The format is that of the heap, which pg_upgrade keeps; going through
// numeric_in and numeric_out takes most of the time of a document.
#pragma once

#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/numeric.h"
}

namespace callhardening
{

// Bytes that a finite number takes when printed: printing 1e131071 to find out takes 128 kB.
size_t printed_length(Numeric number) noexcept;

// Writes the text of a finite number to `out`, which has room for printed_length() bytes. Never raises an
// error.
void print_number(Numeric number, char *out) noexcept;

// The most bytes that write_number takes for a text of so many.
size_t written_size(size_t printed) noexcept;

// Writes the very bytes that numeric_in makes of a number to `out`, which is aligned as an int, and returns
// their end. `text` is the number as jsonb prints it, longest_number bytes at most.
char *write_number(std::string_view text, char *out) noexcept;

} // namespace callhardening
