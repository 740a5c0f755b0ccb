# Measurements, as ratios within one run. They need a running server and some minutes.
.PHONY: bench bench-update bench-copy bench-backfill bench-payload bench-queue bench-ingest bench-process bench-signature bench-launcher bench-changes bench-consumers bench-latency bench-receiver bench-citus
bench: bench-update bench-copy bench-backfill bench-payload bench-queue bench-ingest bench-process bench-signature bench-launcher bench-changes bench-consumers bench-latency bench-receiver bench-citus

bench-update:
	test/bench/update.sh

bench-copy:
	test/bench/copy.sh

bench-backfill:
	test/bench/backfill.sh

bench-payload: build/bench/payload_instructions
	test/bench/payload.sh

build/bench/payload_instructions: test/bench/payload_instructions.cpp $(CORE)
	@mkdir -p $(@D)
	$(CXX) $(CXX_LANGUAGE) $(CXX_WARNINGS) -O2 -g -o $@ $^

bench-queue: build/bench/queue_client
	test/bench/queue.sh

bench-ingest:
	test/bench/ingest.sh

bench-process:
	test/bench/process.sh

# Needs track_commit_timestamp.
bench-latency:
	test/bench/latency.sh

bench-receiver:
	test/bench/receiver.sh

bench-signature:
	test/bench/signature.sh

bench-changes:
	test/bench/changes.sh

bench-consumers:
	test/bench/consumers.sh

# Runs a server of its own, so not as root.
bench-launcher:
	PG_CONFIG='$(PG_CONFIG)' test/bench/launcher.sh

# Runs servers of its own, so not as root. Needs Citus.
bench-citus:
	PG_CONFIG='$(PG_CONFIG)' test/bench/citus.sh

build/bench/queue_client: test/bench/queue_client.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXX_LANGUAGE) $(CXX_WARNINGS) -O2 -g -I$(includedir) -o $@ $< -L$(libdir) -lpq -pthread
