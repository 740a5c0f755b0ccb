#include "pg/sanitizer/jsonb_writer.hpp"
#include "pg/sanitizer/numeric.hpp"

#include <cstring>

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
}

// The format (utils/jsonb.h): a container is a header, an entry for each child, and the children's data. An
// object has all its keys before all its values. An entry has the length of its child. Every
// JB_OFFSET_STRIDE-th entry has the offset of the child's end instead. Numbers and containers are aligned to
// four bytes, and the padding before them counts as part of them.

namespace callhardening
{

namespace
{

// A summary replaces the first container below the depth limit. The root may get a record of changes.
constexpr std::uint32_t deepest = max_depth + 2;

// Must be known before a container's first child is written.
struct Extent {
    uint32 children; // of an object: values
    uint32 key_bytes;
};

struct Measure {
    Extent *extents; // in the order of the containers' beginnings
    size_t bytes;    // the most bytes of the document
};

Numeric to_number(const Token &token)
{
    return reinterpret_cast<Numeric>(const_cast<char *>(token.data));
}

constexpr size_t most_padding = sizeof(int32) - 1;

// The most bytes of a scalar.
size_t scalar_bound(const Token &token)
{
    switch (token.kind) {
    case TokenKind::string:
        return token.size;
    case TokenKind::number_text:
        return most_padding + written_size(token.size);
    case TokenKind::number:
        return most_padding + VARSIZE(to_number(token));
    default:
        return 0;
    }
}

Measure measure(std::span<const Token> tokens)
{
    constexpr size_t tokens_of_container = 2;
    const size_t containers = tokens.size() / tokens_of_container;
    Measure measured{static_cast<Extent *>(palloc_extended(containers * sizeof(Extent), MCXT_ALLOC_HUGE)),
                     offsetof(Jsonb, root.children) + sizeof(JEntry)};
    Extent *stack[deepest + 1]; // the first has the root as its child
    Extent outside{}, *next = measured.extents;
    Extent **level = stack;
    *level = &outside;
    for (const Token &token : tokens) {
        switch (token.kind) {
        case TokenKind::object_end:
        case TokenKind::array_end:
            --level;
            break;
        case TokenKind::key:
            (*level)->key_bytes += token.size;
            measured.bytes += sizeof(JEntry) + token.size;
            break;
        case TokenKind::object_begin:
        case TokenKind::array_begin:
            ++(*level)->children;
            measured.bytes += sizeof(JEntry) + most_padding + sizeof(uint32);
            Assert(level < stack + deepest);
            *next = {0, 0};
            *++level = next++;
            break;
        default:
            ++(*level)->children;
            measured.bytes += sizeof(JEntry) + scalar_bound(token);
        }
    }
    return measured;
}

// The entries of a container's keys or values.
struct Entries {
    JEntry *next;
    uint32 end; // of the last child
};

struct Level {
    char *begin; // with the padding
    JEntry *first;
    Entries keys;
    Entries values;
    char *next_key;
};

void add_entry(const Level &level, Entries &entries, uint32 type, size_t length)
{
    entries.end += static_cast<uint32>(length);
    const bool has_offset = (entries.next - level.first) % JB_OFFSET_STRIDE == 0;
    *entries.next++ = type | (has_offset ? JENTRY_HAS_OFF | entries.end : static_cast<uint32>(length));
}

// `document` is aligned. The padding must be zero, because equal documents must have equal bytes.
char *align(const char *document, char *next)
{
    for (; (next - document) % static_cast<std::ptrdiff_t>(sizeof(int32)) != 0; ++next)
        *next = '\0';
    return next;
}

// Begins a container at `next` and returns the place for the data of its values.
char *open_container(const char *document, char *next, uint32 flags, const Extent &extent, Level *level)
{
    char *header = align(document, next);
    const uint32 keys = flags == JB_FOBJECT ? extent.children : 0;
    *reinterpret_cast<uint32 *>(header) = extent.children | flags;
    auto *entries = reinterpret_cast<JEntry *>(header + sizeof(uint32));
    auto *data = reinterpret_cast<char *>(entries + keys + extent.children);
    *level = {next, entries, {entries, 0}, {entries + keys, extent.key_bytes}, data};
    return data + extent.key_bytes;
}

struct Written {
    char *end;
    uint32 type;
};

Written write_scalar(const char *document, const Token &token, char *next)
{
    switch (token.kind) {
    case TokenKind::string:
        return {next + token.text().copy(next, token.size), JENTRY_ISSTRING};
    case TokenKind::number_text:
        return {write_number(token.text(), align(document, next)), JENTRY_ISNUMERIC};
    case TokenKind::number:
        next = align(document, next);
        std::memcpy(next, token.data, VARSIZE(to_number(token)));
        return {next + VARSIZE(to_number(token)), JENTRY_ISNUMERIC};
    case TokenKind::boolean: {
        const uint32 type = token.size != 0 ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
        return {next, type};
    }
    default:
        return {next, JENTRY_ISNULL};
    }
}

// Writes a document behind its header and returns its end.
char *write_tokens(std::span<const Token> tokens, const Extent *extent, char *document)
{
    Level stack[deepest + 1];
    Level *level = stack;
    char *next = document + VARHDRSZ;
    JEntry outside;
    *level = {next, &outside, {}, {&outside, 0}, nullptr};
    if (tokens.size() == 1)
        next = open_container(document, next, JB_FARRAY | JB_FSCALAR, {1, 0}, level);
    for (const Token &token : tokens) {
        CHECK_FOR_INTERRUPTS();
        switch (token.kind) {
        case TokenKind::object_begin:
        case TokenKind::array_begin:
            next =
                open_container(document, next, token.kind == TokenKind::object_begin ? JB_FOBJECT : JB_FARRAY,
                               *extent++, ++level);
            break;
        case TokenKind::object_end:
        case TokenKind::array_end: {
            const auto length = static_cast<size_t>(next - level->begin);
            --level;
            add_entry(*level, level->values, JENTRY_ISCONTAINER, length);
            break;
        }
        case TokenKind::key:
            level->next_key += token.text().copy(level->next_key, token.size);
            add_entry(*level, level->keys, JENTRY_ISSTRING, token.size);
            break;
        default: {
            const Written written = write_scalar(document, token, next);
            add_entry(*level, level->values, written.type, static_cast<size_t>(written.end - next));
            next = written.end;
        }
        }
    }
    return next;
}

} // namespace

Jsonb *build_jsonb(std::span<const Token> tokens, MemoryContext result)
{
    const Measure measured = measure(tokens);
    // The limit most_max_bytes is far below the limit of an entry.
    Assert(measured.bytes <= JENTRY_OFFLENMASK);
    auto *document = static_cast<char *>(MemoryContextAlloc(result, measured.bytes));
    const char *end = write_tokens(tokens, measured.extents, document);
    Assert(end <= document + measured.bytes);
    SET_VARSIZE(document, end - document);
    return reinterpret_cast<Jsonb *>(document);
}

} // namespace callhardening
