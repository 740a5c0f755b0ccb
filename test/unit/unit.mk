# make check-unit: tests the rules alone, compiled without PostgreSQL and with sanitizers, in one program.

UNIT_OBJECTS = $(patsubst %.cpp,build/unit/%.o,$(sort $(wildcard src/core/*/*.cpp test/unit/*/*_test.cpp)))
UNIT_FLAGS = -std=c++20 -Isrc -I. $(CXX_WARNINGS) -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined

# A test runs once, so to optimize it takes longer than it saves.
build/unit/test/%.o: UNIT_FLAGS += -O0

build/unit/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(UNIT_FLAGS) -MMD -MP -c -o $@ $<

build/unit/unit_tests: $(UNIT_OBJECTS)
	$(CXX) $(UNIT_FLAGS) -o $@ $^ -lgtest -lgtest_main -lpthread

.PHONY: check-unit
check-unit: build/unit/unit_tests
	build/unit/unit_tests

-include $(UNIT_OBJECTS:.o=.d)
