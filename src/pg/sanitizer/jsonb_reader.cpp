#include "pg/sanitizer/jsonb_reader.hpp"
#include "pg/sanitizer/numeric.hpp"

extern "C" {
#include "miscadmin.h"
}

namespace callhardening
{

namespace
{

// A container during the reading of its children. The level keeps the offsets, so each child takes the same
// time: getJsonbOffset may go back over JB_OFFSET_STRIDE entries. An object has its keys before its values.
struct Level {
    const JEntry *keys;
    const JEntry *values;
    const char *data;
    uint32 size;
    uint32 key_offset;
    uint32 value_offset;
    uint32 left;
    bool object;
};

struct Child {
    JEntry entry;
    const char *data;
    uint32 size;
};

// The server's own functions would read beyond the datum.
[[noreturn]] void damaged()
{
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("call payload is damaged jsonb")));
    pg_unreachable();
}

const JsonbContainer *to_container(const Child &child)
{
    if (child.size < sizeof(uint32))
        damaged();
    const auto *container = reinterpret_cast<const JsonbContainer *>(child.data);
    if (JsonContainerIsObject(container) == JsonContainerIsArray(container))
        damaged();
    return container;
}

Level open_level(const Child &child)
{
    const JsonbContainer *container = to_container(child);
    const bool object = JsonContainerIsObject(container);
    const uint32 count = JsonContainerSize(container);
    const size_t entries = size_t{count} * (object ? 2 : 1);
    const size_t headers = sizeof(uint32) + entries * sizeof(JEntry);
    if (headers > child.size)
        damaged();
    const JEntry *first = container->children;
    return {first,
            first + (object ? count : 0),
            child.data + headers,
            static_cast<uint32>(child.size - headers),
            0,
            object ? getJsonbOffset(container, static_cast<int>(count)) : 0,
            count,
            object};
}

// Numbers and containers are aligned. The padding counts as part of them.
inline Child next_child(const Level &level, const JEntry *&next, uint32 &offset)
{
    const JEntry entry = *next++;
    const bool aligned = JBE_ISNUMERIC(entry) || JBE_ISCONTAINER(entry);
    const uint32 begin = aligned ? INTALIGN(offset) : offset;
    const uint32 end = JBE_OFFLENFLD(entry) + (JBE_HAS_OFF(entry) ? 0 : offset);
    if (end < begin || end > level.size)
        damaged();
    offset = end;
    return {entry, level.data + begin, end - begin};
}

std::string_view next_key(Level &level)
{
    const Child key = next_child(level, level.keys, level.key_offset);
    if (!JBE_ISSTRING(key.entry))
        damaged();
    return {key.data, key.size};
}

inline Child next_value(Level &level)
{
    --level.left;
    return next_child(level, level.values, level.value_offset);
}

Numeric to_number(const Child &child)
{
    constexpr size_t smallest = VARHDRSZ + sizeof(int16);
    if (child.size < smallest || VARSIZE(child.data) < smallest || VARSIZE(child.data) > child.size)
        damaged();
    return reinterpret_cast<Numeric>(const_cast<char *>(child.data));
}

void feed_number(Numeric number, Sanitizer *sanitizer)
{
    const size_t length = printed_length(number);
    if (length > longest_number) {
        sanitizer->LongNumber(length);
    } else if (sanitizer->NeedsNumberText(length)) {
        auto *text = static_cast<char *>(palloc(length));
        print_number(number, text);
        sanitizer->Number({text, length});
    } else {
        sanitizer->Number(number, length);
    }
}

void feed_scalar(const Child &child, Sanitizer *sanitizer)
{
    switch (child.entry & JENTRY_TYPEMASK) {
    case JENTRY_ISSTRING:
        sanitizer->String({child.data, child.size});
        break;
    case JENTRY_ISNUMERIC:
        feed_number(to_number(child), sanitizer);
        break;
    case JENTRY_ISBOOL_TRUE:
    case JENTRY_ISBOOL_FALSE:
        sanitizer->Boolean(JBE_ISBOOL_TRUE(child.entry));
        break;
    case JENTRY_ISNULL:
        sanitizer->Null();
        break;
    default:
        damaged();
    }
}

Walk begin(const JsonbContainer *container, Sanitizer *sanitizer)
{
    return JsonContainerIsArray(container) ? sanitizer->BeginArray(JsonContainerSize(container))
                                           : sanitizer->BeginObject(JsonContainerSize(container));
}

// True if the sanitizer wants the children of a container; they are in `level`.
bool feed_value(const Child &child, Sanitizer *sanitizer, Level *level)
{
    if (!JBE_ISCONTAINER(child.entry)) {
        feed_scalar(child, sanitizer);
        return false;
    }
    if (begin(to_container(child), sanitizer) == Walk::skip)
        return false;
    *level = open_level(child);
    return true;
}

// In jsonb's order, the name of a pair may follow its value: {"value": "V", "header": "X-Api-Key"}.
void tell_pair_names(Level level, Sanitizer *sanitizer)
{
    while (level.left > 0) {
        const std::string_view key = next_key(level);
        if (key.size() > longest_pair_name)
            return;
        const Child value = next_value(level);
        if (JBE_ISSTRING(value.entry) && IsPairName(key))
            sanitizer->NamePair({value.data, value.size});
    }
}

// Only the first items of a long array are read. The rest is only counted.
void pass_items(Level *level, Sanitizer *sanitizer)
{
    sanitizer->PassItems(level->left);
    level->left = 0;
}

} // namespace

// The sanitizer's depth limit gives the stack a fixed size.
void feed_jsonb(const Jsonb *document, Sanitizer *sanitizer)
{
    Level stack[max_depth + 2]; // in the first, the root is the only child
    Level *level = stack;
    const JEntry entry = JENTRY_ISCONTAINER | static_cast<uint32>(VARSIZE(document) - VARHDRSZ);
    const Child root{entry, VARDATA(document), JBE_OFFLENFLD(entry)};
    *level = {nullptr, &entry, root.data, root.size, 0, 0, 1, false};
    if (JsonContainerIsScalar(to_container(root)))
        *level = open_level(root);
    if (level->left != 1)
        damaged();
    while (level > stack || level->left > 0) {
        CHECK_FOR_INTERRUPTS();
        if (!level->object && level->left > 0 && sanitizer->IsFull())
            pass_items(level, sanitizer);
        if (level->left == 0) {
            level->object ? sanitizer->EndObject() : sanitizer->EndArray();
            --level;
            continue;
        }
        const std::string_view key = level->object ? next_key(*level) : std::string_view{};
        const Child value = next_value(*level);
        if (level->object) {
            sanitizer->Key(key);
            if (sanitizer->IsAtPairedValue())
                tell_pair_names(*level, sanitizer);
        }
        if (feed_value(value, sanitizer, level + 1))
            ++level;
    }
}

} // namespace callhardening
