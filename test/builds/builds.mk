# make check-builds: the sanitizer gives the same bytes with every compiler. The corpus is test/oracle's.

BUILDS = O0 O2 sanitizers clang
BUILDS_SOURCES = test/builds/payload_bytes.cpp $(sort $(wildcard src/core/*/*.cpp))
build/builds/O0: BUILD_CXX = $(CXX) -O0
build/builds/O2: BUILD_CXX = $(CXX) -O2
build/builds/sanitizers: BUILD_CXX = $(CXX) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
build/builds/clang: BUILD_CXX = $(or $(CLANG),clang) --driver-mode=g++ -O2

$(BUILDS:%=build/builds/%): $(BUILDS_SOURCES) $(wildcard src/core/*/*.hpp test/unit/sanitize.hpp)
	@mkdir -p $(@D)
	$(BUILD_CXX) $(CXX_LANGUAGE) -I. $(CXX_WARNINGS) -o $@ $(BUILDS_SOURCES)

.PHONY: check-builds
check-builds: $(BUILDS:%=build/builds/%)
	test/builds/compare.sh $^
