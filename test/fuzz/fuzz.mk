# make fuzz FUZZ_SECONDS=60: libFuzzer on all code that reads foreign bytes, with clang and its sanitizers. Its findings are
# in build/fuzz/findings, its inputs in build/fuzz/corpus.

FUZZ_SECONDS ?= 60
FUZZ_CXX ?= $(or $(CLANG),clang) --driver-mode=g++
FUZZ_FLAGS = -std=c++20 -Isrc -I. -Itest/fuzz $(CXX_WARNINGS) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
FUZZ_CORE = $(patsubst %.cpp,build/fuzz/%.o,$(sort $(wildcard src/core/*/*.cpp)))
FUZZ_TARGETS = $(patsubst test/fuzz/%_fuzz.cpp,build/fuzz/%,$(sort $(wildcard test/fuzz/*_fuzz.cpp)))

build/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

build/fuzz/%: build/fuzz/test/fuzz/%_fuzz.o $(FUZZ_CORE)
	$(FUZZ_CXX) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^

.SECONDARY: $(FUZZ_CORE) $(FUZZ_TARGETS:build/fuzz/%=build/fuzz/test/fuzz/%_fuzz.o)
.PHONY: fuzz fuzz-targets fuzz-differential
fuzz-targets: $(FUZZ_TARGETS)
fuzz: fuzz-targets
	test/fuzz/run.sh $(FUZZ_SECONDS) $(notdir $(FUZZ_TARGETS))

# Replays the inputs of the payload target in a running server with the extension.
fuzz-differential:
	PATH='$(bindir)':"$$PATH" test/fuzz/differential.sh build/fuzz/corpus/payload build/fuzz/seeds/payload

-include $(wildcard build/fuzz/src/core/*/*.d build/fuzz/test/fuzz/*.d)
