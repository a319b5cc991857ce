// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfdrive DEVICE MAC ADDRESS: drive a VF of an 82576 from user space, without interrupts.
 *
 * DEVICE is its directory in sysfs; no driver may be bound. The VF is reset first: its
 * queues may still be enabled by a process that was killed. When its queues are enabled
 * again, the program goes on in the background, and answers ARP and ICMP echo requests for
 * ADDRESS. Only the VF writes to the pages that it receives into.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../selftests/mailbox.h"

/* BAR 0 */
#define BAR_SIZE	0x4000
#define RX		0x2800
#define TX		0x3800
#define  BAL		0x00
#define  BAH		0x04
#define  LEN		0x08
#define  SRRCTL		0x0c
#define   SRRCTL_2K_ADV	0x02000002
#define  HEAD		0x10
#define  TAIL		0x18
#define  XDCTL		0x28
#define   ENABLE	0x02000000

#define MAILBOX_WORDS	16

/* Descriptors */
#define DD		0x1
#define TX_DATA		0x2b300000	/* data, DEXT, RS, IFCS, EOP */
#define PAYLEN_SHIFT	14

/* A huge page, which is contiguous, and stays the same one across fork() */
#define MEMORY		(2u << 20)
#define TX_RING		0x4000
#define TX_BUFFERS	0x10000
#define RX_BUFFERS	0x100000
#define BUFFER		2048u
#define RX_COUNT	512u
#define TX_COUNT	64u

#define COMMAND		4		/* of the config space */
#define MEMORY_MASTER	0x6
#define PATIENCE	5000		/* ms */

struct desc {
	uint64_t address;
	uint32_t word[2];
};

static uint32_t *bar;
static uint8_t *memory;
static uint64_t physical;
static struct ether_addr mac;
static struct in_addr ip;
static unsigned int sent;

static uint32_t rd(unsigned int reg)
{
	return __atomic_load_n(&bar[reg / 4], __ATOMIC_RELAXED);
}

static void wr(unsigned int reg, uint32_t value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&bar[reg / 4], value, __ATOMIC_RELAXED);
}

/* The first word of the PF's answer, or 0. */
static uint32_t ask(const uint32_t *msg)
{
	unsigned int i, ms;
	uint32_t got;

	for (ms = 0; wr(V2PMAILBOX, VFU), !(rd(V2PMAILBOX) & VFU); ms++) {
		if (ms == PATIENCE)
			return 0;
		usleep(1000);
	}
	for (i = 0; i < MAILBOX_WORDS; i++)
		wr(VMBMEM + 4 * i, msg[i]);
	wr(V2PMAILBOX, REQ);

	for (; ms < PATIENCE; ms++) {
		usleep(1000);
		if (!(rd(V2PMAILBOX) & PFSTS))
			continue;
		got = rd(VMBMEM);
		wr(V2PMAILBOX, ACK);
		if ((got & MSG_TYPE) == msg[0] && got & (MSG_ACK | MSG_NACK))
			return got;
	}

	return 0;
}

static void reset(void)
{
	uint32_t msg[MAILBOX_WORDS] = { TYPE_RESET };
	uint32_t set[MAILBOX_WORDS] = { TYPE_MAC };

	wr(VTCTRL, VTCTRL_RST);
	usleep(10000);
	/* A PF that has no address for this VF answers with a NACK. */
	if (!ask(msg))
		errx(1, "the PF does not answer");
	memcpy(&set[1], &mac, sizeof(mac));
	if (!(ask(set) & MSG_ACK))
		errx(1, "the PF refuses the address");
}

static struct desc *ring(unsigned int base)
{
	return (struct desc *)(memory + (base == RX ? 0 : TX_RING));
}

static void give(unsigned int i)
{
	struct desc *desc = &ring(RX)[i];

	desc->address = physical + RX_BUFFERS + i * BUFFER;
	desc->word[0] = 0;
	desc->word[1] = 0;
}

static void enable(unsigned int base, unsigned int count)
{
	uint64_t address = physical + (uint8_t *)ring(base) - memory;

	wr(base + BAL, address);
	wr(base + BAH, address >> 32);
	wr(base + LEN, count * sizeof(struct desc));
	if (base == RX)
		wr(base + SRRCTL, SRRCTL_2K_ADV);
	wr(base + HEAD, 0);
	wr(base + TAIL, 0);
	wr(base + XDCTL, ENABLE);
}

static void start(void)
{
	unsigned int i;

	for (i = 0; i < RX_COUNT; i++)
		give(i);
	enable(RX, RX_COUNT);
	enable(TX, TX_COUNT);
	/* Only an enabled queue takes a tail. */
	usleep(10000);
	wr(RX + TAIL, RX_COUNT - 1);
}

static void transmit(const uint8_t *frame, unsigned int size)
{
	unsigned int i = sent++ % TX_COUNT;
	struct desc *desc = &ring(TX)[i];
	uint8_t *buffer = memory + TX_BUFFERS + i * BUFFER;

	memcpy(buffer, frame, size);
	desc->address = physical + TX_BUFFERS + i * BUFFER;
	desc->word[0] = TX_DATA | size;
	desc->word[1] = size << PAYLEN_SHIFT;
	wr(TX + TAIL, sent % TX_COUNT);
}

static bool is(const uint8_t *at, const void *what, size_t size)
{
	return !memcmp(at, what, size);
}

/* Turn a request into its answer. */
static bool answer(uint8_t *frame, unsigned int size)
{
	static const uint8_t arp[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
	static const uint8_t ipv4[] = { 8, 0, 0x45 };
	uint32_t sum;

	if (size >= 42 && is(frame + 12, arp, sizeof(arp)) && is(frame + 38, &ip, 4)) {
		frame[21] = 2;
		memcpy(frame + 32, frame + 22, 10);
		memcpy(frame + 22, &mac, 6);
		memcpy(frame + 28, &ip, 4);
	} else if (size >= 42 && is(frame + 12, ipv4, sizeof(ipv4)) && frame[23] == 1 &&
		   frame[34] == 8 && is(frame + 30, &ip, 4)) {
		memcpy(frame + 30, frame + 26, 4);
		memcpy(frame + 26, &ip, 4);
		frame[34] = 0;
		sum = (frame[36] << 8 | frame[37]) + 0x0800;
		sum = (sum & 0xffff) + (sum >> 16);
		frame[36] = sum >> 8;
		frame[37] = sum;
	} else {
		return false;
	}
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, &mac, 6);

	return true;
}

static void serve(void)
{
	uint8_t frame[BUFFER];
	unsigned int i, size;
	struct desc *desc;

	for (i = 0; ; i = (i + 1) % RX_COUNT) {
		desc = &ring(RX)[i];
		while (!(__atomic_load_n(&desc->word[0], __ATOMIC_ACQUIRE) & DD))
			usleep(500);
		size = desc->word[1] & 0xffff;
		if (size > BUFFER)
			size = BUFFER;
		memcpy(frame, memory + RX_BUFFERS + i * BUFFER, size);
		if (answer(frame, size))
			transmit(frame, size);
		give(i);
		wr(RX + TAIL, i);
	}
}

static int open_in(const char *device, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", device, name);
	fd = open(path, O_RDWR);
	if (fd < 0)
		err(1, "%s", path);

	return fd;
}

static void map(const char *device)
{
	uint16_t command = MEMORY_MASTER;
	uint64_t entry;
	int fd;

	fd = open_in(device, "config");
	if (pwrite(fd, &command, sizeof(command), COMMAND) != sizeof(command))
		err(1, "config");
	close(fd);
	fd = open_in(device, "resource0");
	bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS |
		      MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (bar == MAP_FAILED || memory == MAP_FAILED)
		err(1, "mmap");
	fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || pread(fd, &entry, sizeof(entry), (uintptr_t)memory / 4096 * 8) !=
	    sizeof(entry))
		err(1, "pagemap");
	close(fd);
	physical = (entry & ((1ull << 55) - 1)) * 4096;
	if (!physical)
		errx(1, "physical addresses are hidden");
}

int main(int argc, char **argv)
{
	if (argc != 4 || !ether_aton_r(argv[2], &mac) || !inet_aton(argv[3], &ip))
		errx(2, "usage: vfdrive DEVICE MAC ADDRESS");
	map(argv[1]);
	reset();
	start();
	if (daemon(0, 0))
		err(1, "daemon");
	serve();
}
