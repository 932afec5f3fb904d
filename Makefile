# The second of the two set-up commands is "make test"; the first, ./batchnorm, installs make where it is missing.

# native: an engine that cannot run is a failure, not a skip. The default where there is a C++ compiler.
REQUIRE := $(shell . build/state.sh; has_native_tools && echo native)
MAVEN = JAVA_HOME="$$(sh build/tools.sh)" mvn -B -ntp
CPP = native/src/main/cpp
# The kernels take minutes to compile: the tests take those that ./batchnorm built.
BUILT = -Dcpp.build=$(CURDIR)/native/target/quick/cmake/library
MAKEFLAGS += --no-print-directory

help:
	@echo 'make build      what ./batchnorm runs'
	@echo 'make test       every test: Java and the contract on both engines, Kotlin, C++ under sanitizers, golden bits, README'
	@echo 'make soak       100,000 random small shapes on every instruction set and thread count, to the bit'
	@echo 'make fuzz       the readers of files and the command line with Jazzer (downloads 8 MB), MINUTES=10 each; TARGETS="csv" for some'
	@echo 'make faults     kills, a full disk, input cut short and the like for the built command; KILLS=20 for fewer'
	@echo 'make format     lays out the Java code'
	@echo 'make golden     makes the golden cases in testdata again, those of reparameterized and folded weights too'
	@echo 'make malformed  makes the malformed files again, and the tables of docs/errors.md'
	@echo 'make bench      JMH benchmarks of the passes, quick; JMH="-p threads=2 normalise" passes options'
	@echo 'make bench-peers  beside oneDNN and libtorch (downloads 230 MB); WORKLOADS="NC:4096x256:F32" for some'
	@echo 'make audit-peers  what audit says about oneDNN and libtorch, into docs/audit-example.md'
	@echo 'make clean      removes everything built'

build:
	./batchnorm --version

# The tests of the README run ./batchnorm, which must not build while Maven does.
test: build
	@sh build/tools.sh >/dev/null
	$(MAKE) test-java test-cpp

test-java:
ifeq ($(REQUIRE),native)
	$(MAVEN) verify $(BUILT) -Dbatchnorm.require=native
else
	$(MAVEN) verify -pl '!native'
endif

test-cpp: $(if $(filter native,$(REQUIRE)),cpp-release cpp-asan-ubsan cpp-tsan,no-cpp)

# The thread sanitizer of older compilers stops at "unexpected memory mapping" unless addresses are fixed.
cpp-%:
	cd $(CPP) && cmake --preset $* && cmake --build --preset $* --parallel
	cd $(CPP) && if setarch -R true 2>/dev/null; then fixed='setarch -R'; fi && \
	  $$fixed ctest --preset $* --no-tests=error

SHAPES = 100000
soak:
	$(MAVEN) verify $(BUILT) -pl native -am -Dbatchnorm.require=native -Dsurefire.failIfNoSpecifiedTests=false \
	  -Dtest='NativeEngineContractTest$$*#randomSmallShapesGiveTheReferencesBits' -Dbatchnorm.shapes=$(SHAPES)

# Jazzer is downloaded by its profile only.
MINUTES = 10
fuzz:
	$(MAVEN) -q package -Pfuzz -pl fuzz -am -DskipTests
	MINUTES=$(MINUTES) sh fuzz/fuzz.sh $(TARGETS)

KILLS = 200
SEED = 1
faults: build
	cli/src/test/sh/faults.sh $(KILLS) $(SEED)

no-cpp:
	@echo 'skipped: the native engine and the C++ tests, for there is no C++ compiler with CMake'

format:
	$(MAVEN) -Pbenchmark,peers,fuzz com.spotify.fmt:fmt-maven-plugin:format

golden:
	python3 testdata/make_golden.py
	python3 testdata/make_reparameterized.py
	python3 testdata/make_fold.py

malformed:
	python3 testdata/make_malformed.py

# What they need is downloaded by their profiles only.
bench:
	$(MAVEN) -q package $(BUILT) -Pbenchmark -pl benchmark -am -DskipTests
	benchmark/passes.sh $(JMH)

bench-peers:
	$(MAVEN) -q package $(BUILT) -Ppeers -pl benchmark/peers -am -DskipTests
	benchmark/peers.sh $(WORKLOADS)

audit-peers: build
	$(MAVEN) -q package $(BUILT) -Ppeers -pl benchmark/peers -am -DskipTests
	benchmark/audit_peers.sh $(WORKLOADS)

clean:
	rm -rf .build target */target benchmark/peers/target

.PHONY: help build test test-java test-cpp no-cpp soak fuzz faults format golden malformed bench bench-peers audit-peers clean
