// Numbers of jsonb by their bytes. numeric_in and numeric_out would take most of a document's time. The
// format is stable, because pg_upgrade keeps the heap.
#pragma once

#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/numeric.h"
}

namespace callhardening
{

// The length of a printed finite number, without printing it: 1e131071 would take 128 kB.
size_t printed_length(Numeric number) noexcept;

// Writes the text of a finite number to `out` without ever raising an error. `out` has room for
// printed_length() bytes.
void print_number(Numeric number, char *out) noexcept;

// The most bytes written by write_number for a text of this length.
size_t written_size(size_t printed) noexcept;

// Writes the same bytes as numeric_in to `out`, and returns their end. `out` is aligned as an int. `text` is
// the number in jsonb's printed form, at most longest_number bytes.
char *write_number(std::string_view text, char *out) noexcept;

} // namespace callhardening
