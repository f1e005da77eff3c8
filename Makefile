# The commands of README.md and docs/evidence.md. Each prints a one-line verdict last and fails if it is not met.

CARGO ?= cargo
# Never with -p: so all commands take the features of the whole workspace, and share one build.
RUN = $(CARGO) run --quiet --locked

.PHONY: demo demo-fork bridge test soak crowd lab dino browser python conformance bench bitrate quality requirements explore mutants fuzz
.PHONY: package msrv arm deb install needs

# A four-way call on this machine; MUTE=1..4 lets one of them send nothing, WINDOWS=4 opens the windows of all, SECONDS_IN_CALL
# says how long it lasts.
demo: needs
	@echo "Building muji-call and the demonstration (minutes the first time) ..."
	@$(CARGO) build --quiet --locked --bin muji-call --bin muji-demo
	@MUTE="$(MUTE)" WINDOWS="$(WINDOWS)" SECONDS_IN_CALL="$(SECONDS_IN_CALL)" $(RUN) --bin muji-demo

# One account with three devices, and a caller: all ring, one picks up, the others fall silent.
demo-fork: needs
	@echo "Building muji-call and the demonstration (minutes the first time) ..."
	@$(CARGO) build --quiet --locked --bin muji-call --bin muji-demo
	@$(RUN) --bin muji-demo -- fork

# A room's call into which people call like on a telephone: who hears whom, measured on what each recorded.
bridge: needs
	@echo "Building muji-call and the demonstration (minutes the first time) ..."
	@$(CARGO) build --quiet --locked --bin muji-call --bin muji-demo
	@$(RUN) --bin muji-demo -- bridge

# Format, lints, docs, the layers' bounds, and all tests.
test:
	@scripts/needs tests
	@CARGO="$(CARGO)" scripts/test

# What a call costs, compared with the formula and the bare transport; and what the window costs, on a screen in memory, if there is Xvfb.
# PART="call mesh": these parts alone, without the window.
bench: needs
	@echo "Building the benchmark ..."
	@if [ -n "$(PART)" ]; then $(RUN) --bin muji-bench -- $(PART); \
	else status=0; CARGO="$(CARGO)" scripts/bench-window || status=1; $(RUN) --bin muji-bench && exit $$status; fi

# Calls over networks of the kernel's with NATs and outages, real XMPP and TURN servers; as root, in some minutes.
lab:
	@scripts/needs tests
	@CARGO="$(CARGO)" scripts/lab

# Calls with a real Dino, without a screen; as root, in some minutes.
dino:
	@scripts/needs tests
	@CARGO="$(CARGO)" scripts/lab dino

# Calls with a real Chromium, without a screen; in some minutes. SCENARIO="max-bundle": those whose name contains it.
browser:
	@scripts/needs tests
	@echo "Building muji-call and its calls with Chromium ..."
	@$(CARGO) build --quiet --locked --bin muji-call --bin muji-browser
	@$(RUN) --bin muji-browser -- "$(SCENARIO)"

# The Python package: its wheel is built and installed, and a bot on slixmpp holds calls with it, through Prosody.
python:
	@scripts/needs tests
	@echo "Building muji-call and its calls, then the wheel ..."
	@CARGO="$(CARGO)" scripts/python

# Our own Engine and muji-call judged by the conformance suite: reports in target/conformance.
conformance: needs
	@CARGO="$(CARGO)" scripts/conformance

# How fast encoders follow their target, how it looks and what it costs, and a call over a link that becomes narrow: plots in target/bitrate.
# PART="steps vmaf cost": these parts alone.
bitrate: needs
	@echo "Building the benchmark of bit rates ..."
	@$(RUN) --bin muji-bitrate -- $(PART)

# Pictures and sound over networks that lose packets, compared with libwebrtc: plots and recordings in target/quality. In ten minutes, on a machine
# that is idle; ROW="ours sound bursts": ours alone, sound alone, and of it the rows whose names contain "bursts", in seconds.
quality:
	@scripts/needs quality
	@echo "Building the measurement of pictures and sound ..."
	@$(RUN) --bin muji-quality -- $(ROW)

# Long calls: HOURS=24 of signalling in a call of six and an hour of media in virtual time, then MINUTES=20 of four processes in real time.
soak: needs
	@echo "Building muji-call and the long calls ..."
	@$(CARGO) build --quiet --locked --bin muji-call --bin muji-soak
	@$(RUN) --bin muji-soak -- day pair processes --hours $(or $(HOURS),24) --minutes $(or $(MINUTES),20)

# Crowds and slow machines: PEOPLE=32 processes in one call, one with a tenth of a processor (as root), and some that are stopped while they join.
crowd: needs
	@echo "Building muji-call and the crowd ..."
	@$(CARGO) build --quiet --locked --bin muji-call --bin muji-soak
	@$(RUN) --bin muji-soak -- crowd slow stalls --people $(or $(PEOPLE),32)

# Every requirement of the XEPs with the tests that show it.
requirements:
	@scripts/needs tests
	@CARGO="$(CARGO)" scripts/requirements

# Every order in which events can reach the Engine, and the faults made on purpose that this must find. EXPLORE=--quick: in minutes;
# EXPLORE="--people 4 --seconds 600": deeper, see muji-explore --help.
explore:
	@scripts/needs tests
	@CARGO="$(CARGO)" scripts/explore $(EXPLORE)

# The crates changed by machine, one small thing at a time, and the share of the changes that the cheapest tests notice. Hours for the
# whole; MUTANTS="muji-jingle": this area alone, SHARD=0/8: each eighth change.
mutants:
	@scripts/needs mutants
	@CARGO="$(CARGO)" SHARD="$(SHARD)" scripts/mutants $(MUTANTS)

# Inputs made by mutation for all that reads what others send, each target for SECONDS, and a table of what was found. TARGETS="engine session": these
# alone; FUZZ=--keep: inputs that reach new code go into fuzz/corpus.
SECONDS ?= 60
fuzz: needs
	@CARGO="$(CARGO)" scripts/fuzz $(FUZZ) $(SECONDS) $(TARGETS)

# The crates that are published, packed, and built from what was packed; in minutes.
package: needs
	@echo "Packing the crates, and building what was packed (minutes) ..."
	@CARGO="$(CARGO)" scripts/package

# What is published, with the oldest Rust that Cargo.toml promises; rustup fetches it.
msrv: needs
	@CARGO="$(CARGO)" scripts/msrv

# muji-call for boards with ARM processors, armv7 or ARCH=aarch64, and what can be tested of it by qemu.
arm:
	@ARCH="$(ARCH)" scripts/needs arm
	@ARCH="$(ARCH)" CARGO="$(CARGO)" scripts/arm

# muji-call as a package for Debian and its kin, in the folder debian of the build; as root it is installed in a clean Debian 12 and
# removed.
deb:
	@scripts/needs devices
	@CARGO="$(CARGO)" scripts/deb

# muji-call with microphones, loudspeakers, cameras and the keyring, into cargo's folder for programs.
install:
	@scripts/needs devices
	$(CARGO) install --locked --path examples/muji-call --features devices,camera,keyring
	@echo "install: muji-call is installed; begin with: muji-call --help"

# A C compiler and cmake, for libopus and the cryptography; libvpx, for pictures.
needs:
	@scripts/needs
