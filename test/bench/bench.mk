# Measurements, as ratios of one run. They need a running server and some minutes.
.PHONY: bench bench-update bench-payload
bench: bench-update bench-payload

bench-update:
	test/bench/update.sh

bench-payload: build/bench/payload_instructions
	test/bench/payload.sh

build/bench/payload_instructions: test/bench/payload_instructions.cpp $(CORE)
	@mkdir -p $(@D)
	$(CXX) $(CXX_LANGUAGE) $(CXX_WARNINGS) -O2 -g -o $@ $^
