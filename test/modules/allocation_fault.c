/*
 * Lets one allocation of a server fail: preloaded (LD_PRELOAD) in the place of the C library's functions, and
 * loaded by SQL to say which. PostgreSQL's memory contexts and the C++ library both come down to these.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

/* Allocations until the one that fails; 0: none does. */
static long left = 0;

static bool
fails(void)
{
	return left > 0 && --left == 0;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}

PG_FUNCTION_INFO_V1(fail_allocation);
Datum
fail_allocation(PG_FUNCTION_ARGS)
{
	left = (long) PG_GETARG_INT64(0);
	PG_RETURN_VOID();
}

/* False where fewer were asked for; none fails from now on. */
PG_FUNCTION_INFO_V1(allocation_failed);
Datum
allocation_failed(PG_FUNCTION_ARGS)
{
	bool		failed = left == 0;

	left = 0;
	PG_RETURN_BOOL(failed);
}
