// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite of network devices that are described: records of filters and of the guest. */

#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/unaligned.h>

#include "registry.h"
#include "said.h"
#include "vfio_mediate_describe.h"

#define FILTERS		VFIO_MEDIATE_RECORD_FILTERS
#define GUEST		VFIO_MEDIATE_RECORD_GUEST
#define OTHER		16
#define EARLY		BIT_ULL(0)

/* In a record of 3 addresses, 32 VLANs and 4096 hashes */
enum { PORT_VLAN = 18, FLAGS = 20, FRAME = 24, COUNT = 26, VLANS = 28, HASHES = 92, SIZE = 604 };

/**
 * struct port - A network device, and what its vendor was asked
 * @has:	Its filters.
 * @got:	Filters that were put last.
 * @guest:	Guest that @got are of.
 * @puts:	Number of calls of put with filters.
 * @drops:	Number of calls of put without.
 * @error:	What it returns.
 * @has_guest:	There was a record of the guest when it was called.
 * @dev:	The device as the vendor has it.
 * @session:	Likewise of the registry, or NULL.
 * @saved:	Records that were saved.
 * @payload:	Their payloads.
 * @num_saved:	Number of @saved.
 */
static struct port {
	struct vfio_mediate_filters has;
	struct vfio_mediate_filters got;
	uuid_t guest;
	unsigned int puts;
	unsigned int drops;
	int error;
	bool has_guest;
	struct vfio_mediate_device *dev;
	struct vfio_mediate_session *session;
	struct vfio_mediate_record saved[4];
	u8 payload[4][SIZE];
	unsigned int num_saved;
} *port;

static int port_get(struct vfio_mediate_device *dev, struct vfio_mediate_filters *filters)
{
	*filters = port->has;

	return 0;
}

static int port_put(struct vfio_mediate_device *dev, const struct vfio_mediate_filters *filters,
		    const uuid_t *guest, const char **what)
{
	uuid_copy(&port->guest, guest);
	/* The records are there as long as put may be called. */
	port->has_guest = vfio_mediate_loaded(dev, GUEST);
	if (!filters) {
		port->drops++;
		return 0;
	}
	port->got = *filters;
	port->puts++;
	*what = "colour";

	return port->error;
}

static int succeed(struct vfio_mediate_device *dev)
{
	return 0;
}

static const struct vfio_mediate_net good = {
	.num_macs = 3,
	.num_vlans = 32,
	.num_hashes = 4096,
	.min_frame = 60,
	.max_frame = 9728,
	.get = port_get,
	.put = port_put,
};

static const struct vfio_mediate_part parts[] = { { .type = OTHER, .size = 4 } };

/* What the device is described by. Tests may change it before open_port(). */
static struct vfio_mediate_net net;

static const struct vfio_mediate_description description = {
	.version = 1,
	.min_version = 1,
	.features = EARLY,
	.pre_copy = EARLY,
	.net = &net,
	.parts = parts,
	.num_parts = ARRAY_SIZE(parts),
	.run = succeed,
	.stop = succeed,
};

static int device_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	port->dev = dev;

	return vfio_mediate_describe(dev, &description);
}

static void device_release(struct vfio_mediate_device *dev)
{
}

static const struct vfio_pci_mediate_ops port_ops = {
	.name = "port",
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
};

static const struct vfio_mediate_host_ops host_ops = {};

static int open_port(struct kunit *test)
{
	port->session = vfio_mediate_open(fake_device(test), &host_ops, fake_detached,
					  &test->priv);
	if (!IS_ERR_OR_NULL(port->session))
		return 0;

	return port->session ? PTR_ERR(xchg(&port->session, NULL)) : -ENODEV;
}

static void close_port(void)
{
	vfio_mediate_close(port->session);
	port->session = NULL;
}

static void expect_puts(struct kunit *test, unsigned int want)
{
	KUNIT_EXPECT_EQ(test, port->puts, want);
	port->puts = 0;
}

/* Keep the records that @next gives. Return: what it has returned last. */
static int keep(struct kunit *test, int (*next)(struct vfio_mediate_device *dev,
						struct vfio_mediate_record *record))
{
	struct vfio_mediate_record *record;
	int ret = 1;
	u8 *buf;

	buf = kunit_kzalloc(test, VFIO_MEDIATE_RECORD_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (port->num_saved = 0; port->num_saved < ARRAY_SIZE(port->saved); port->num_saved++) {
		record = &port->saved[port->num_saved];
		*record = (struct vfio_mediate_record){ .index = port->num_saved, .data = buf };
		ret = next(port->dev, record);
		if (ret <= 0)
			break;
		KUNIT_ASSERT_LE(test, record->length, SIZE);
		memcpy(port->payload[port->num_saved], buf, record->length);
		record->data = port->payload[port->num_saved];
	}

	return ret;
}

static void begin_save(struct kunit *test)
{
	u64 features = 0;
	u32 version = 1;

	KUNIT_ASSERT_EQ(test, 0, port->dev->migration->save_as(port->dev, &version, &features));
	KUNIT_EXPECT_EQ(test, features, EARLY);
	KUNIT_ASSERT_EQ(test, 0, port->dev->migration->save_begin(port->dev));
}

static int save(struct kunit *test)
{
	int ret;

	begin_save(test);
	ret = keep(test, port->dev->migration->save);
	port->dev->migration->save_end(port->dev);

	return ret;
}

static const u8 macs[2][ETH_ALEN] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

/* The guest's driver has requested this. */
static void request(void)
{
	port->has = (struct vfio_mediate_filters){
		.port_vlan = 0x6064, .max_frame = 1522, .active = true, .mc_promisc = true,
		.silent = true,
	};
	ether_addr_copy(port->has.mac[0], macs[0]);
	ether_addr_copy(port->has.mac[2], macs[1]);
	__set_bit(0, port->has.vlans);
	__set_bit(4095, port->has.vlans);
	__set_bit(5, port->has.vlans);
	__set_bit(0, port->has.hashes);
	__set_bit(33, port->has.hashes);
	__set_bit(4095, port->has.hashes);
}

/* The bytes that any source sends, whatever its word size and byte order */
static void test_layout(struct kunit *test)
{
	static const u8 head[] = {
		2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2,
		0x64, 0x60, 5, 0, 0, 0, 0xf2, 5, 2, 0, 5, 0, 0xff, 0xf, 0, 0,
	};
	static const u8 small[] = {
		2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x64, 0x60, 0, 0,
		0xa, 0, 0, 0, 0xf2, 5, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0x80,
	};
	const u8 *data;

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	request();
	KUNIT_ASSERT_EQ(test, 0, save(test));
	KUNIT_ASSERT_EQ(test, port->num_saved, 3);
	KUNIT_EXPECT_EQ(test, port->saved[0].type, GUEST);
	KUNIT_EXPECT_EQ(test, port->saved[0].length, UUID_SIZE);
	KUNIT_EXPECT_TRUE(test, port->saved[0].optional);
	KUNIT_EXPECT_MEMEQ(test, port->payload[0], vfio_mediate_guest(port->dev), UUID_SIZE);
	KUNIT_EXPECT_EQ(test, port->saved[1].type, FILTERS);
	KUNIT_EXPECT_FALSE(test, port->saved[1].optional);
	KUNIT_EXPECT_EQ(test, port->saved[2].type, OTHER);
	KUNIT_ASSERT_EQ(test, port->saved[1].length, SIZE);
	data = port->payload[1];
	KUNIT_EXPECT_MEMEQ(test, data, head, sizeof(head));
	KUNIT_EXPECT_NULL(test, memchr_inv(data + sizeof(head), 0, HASHES - sizeof(head)));
	KUNIT_EXPECT_EQ(test, get_unaligned_le64(data + HASHES), 0x200000001ULL);
	KUNIT_EXPECT_NULL(test, memchr_inv(data + HASHES + 8, 0, 503));
	KUNIT_EXPECT_EQ(test, data[SIZE - 1], 0x80);

	/* What is loaded is what was saved, but for what is no state. */
	KUNIT_ASSERT_EQ(test, 0, port->dev->migration->load_begin(port->dev, 1, 0));
	KUNIT_EXPECT_EQ(test, 0, port->dev->migration->load(port->dev, &port->saved[1]));
	port->has.silent = false;
	__clear_bit(0, port->has.vlans);
	KUNIT_EXPECT_MEMEQ(test, &port->got, &port->has, sizeof(port->has));
	port->dev->migration->load_end(port->dev, -ECANCELED);
	close_port();

	/* With padding, and with no more VLANs than there is room for */
	net.num_macs = 2;
	net.num_vlans = 1;
	net.num_hashes = 32;
	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	request();
	KUNIT_EXPECT_EQ(test, -E2BIG, save(test));
	bitmap_zero(port->has.vlans, VFIO_MEDIATE_FILTER_VLANS);
	__set_bit(7, port->has.vlans);
	__set_bit(31, port->has.hashes);
	port->has.active = false;
	port->has.vlan_strip = true;
	port->has.mc_promisc = false;
	port->has.uc_promisc = true;
	KUNIT_ASSERT_EQ(test, 0, save(test));
	KUNIT_ASSERT_EQ(test, port->saved[1].length, sizeof(small));
	/* uc_promisc is bit 3, vlan_strip bit 1. */
	KUNIT_EXPECT_MEMEQ(test, port->payload[1], small, sizeof(small));
}

/* End a load that has failed. What it had put is dropped. The guest may start anew here. */
static void fail(struct kunit *test, int error)
{
	uuid_t guest;

	uuid_copy(&guest, vfio_mediate_guest(port->dev));
	KUNIT_EXPECT_EQ(test, port->drops, 0);
	port->dev->migration->load_end(port->dev, error);
	KUNIT_EXPECT_EQ(test, port->drops, 1);
	KUNIT_EXPECT_TRUE(test, uuid_equal(vfio_mediate_guest(port->dev), &guest));
	KUNIT_EXPECT_TRUE(test, uuid_equal(&port->guest, &guest));
	port->drops = 0;
}

/* Load a record. Return: what that returns. */
static int load(struct kunit *test, u16 type, void *data, unsigned int length)
{
	struct vfio_mediate_record record = { .type = type, .length = length, .data = data };
	int ret;

	KUNIT_ASSERT_EQ(test, 0, port->dev->migration->load_begin(port->dev, 1, 0));
	said_begin();
	ret = port->dev->migration->load(port->dev, &record);
	fail(test, ret ?: -ECANCELED);

	return ret;
}

static void expect_load(struct kunit *test, u8 *data, int error, const char *line,
			const char *change)
{
	KUNIT_EXPECT_EQ_MSG(test, error, load(test, FILTERS, data, SIZE), "%s", change);
	expect_puts(test, !error);
	KUNIT_EXPECT_EQ_MSG(test, !!error, times_said(line), "%s", change);
}

/* Each field that can be malformed: the vendor is not asked, and a line names it. */
static void test_malformed(struct kunit *test)
{
	static u8 good_data[SIZE], data[SIZE];

#define EXPECT(error, line, change)							\
	do {										\
		memcpy(data, good_data, SIZE);						\
		change;									\
		expect_load(test, data, error, "kunit: record of filters: " line, #change); \
	} while (0)

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	request();
	KUNIT_ASSERT_EQ(test, 0, save(test));
	memcpy(good_data, port->payload[1], SIZE);

	EXPECT(0, "", data[0] = 2);
	EXPECT(-EINVAL, "address 0 is 03:00:00:00:00:01", data[0] |= 1);
	EXPECT(-EINVAL, "address 2 is ff:ff:ff:ff:ff:ff", memset(data + 12, 0xff, ETH_ALEN));
	EXPECT(0, "", memset(data, 0, PORT_VLAN));
	EXPECT(0, "", put_unaligned_le16(U16_MAX, data + PORT_VLAN));
	EXPECT(-EINVAL, "unknown flags 0x10", data[FLAGS] |= BIT(4));
	EXPECT(-EINVAL, "unknown flags 0x80000000", data[FLAGS + 3] = 0x80);
	EXPECT(0, "", data[FLAGS] = 0xf);
	EXPECT(-EINVAL, "frames of 59 bytes, 60 to 9728", put_unaligned_le16(59, data + FRAME));
	EXPECT(0, "", put_unaligned_le16(60, data + FRAME));
	EXPECT(0, "", put_unaligned_le16(9728, data + FRAME));
	EXPECT(-EINVAL, "frames of 9729 bytes, 60 to 9728",
	       put_unaligned_le16(9729, data + FRAME));
	EXPECT(-EINVAL, "33 VLANs, 32 are possible", data[COUNT] = 33);
	EXPECT(-EINVAL, "65535 VLANs, 32 are possible", memset(data + COUNT, 0xff, 2));
	EXPECT(-EINVAL, "VLAN 0 is 0", put_unaligned_le16(0, data + VLANS));
	EXPECT(-EINVAL, "VLAN 1 is 4096", put_unaligned_le16(4096, data + VLANS + 2));
	EXPECT(-EINVAL, "VLAN 2 is 0", data[COUNT] = 3);
	/* Those beyond their number do not matter. */
	EXPECT(0, "", memset(data + VLANS + 4, 0xff, HASHES - VLANS - 4));
	EXPECT(0, "", memset(data + HASHES, 0xff, SIZE - HASHES));
#undef EXPECT
}

/* Records that are too short, or have more than is known. */
static void test_lengths(struct kunit *test)
{
	static u8 filters[SIZE + 4], guest[UUID_SIZE + 4];

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	request();
	KUNIT_ASSERT_EQ(test, 0, save(test));
	memcpy(guest, port->payload[0], UUID_SIZE);
	memcpy(filters, port->payload[1], SIZE);
	KUNIT_EXPECT_EQ(test, -EINVAL, load(test, FILTERS, filters, SIZE - 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, load(test, FILTERS, filters, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, load(test, GUEST, guest, UUID_SIZE - 1));
	expect_puts(test, 0);
	KUNIT_EXPECT_EQ(test, 0, load(test, FILTERS, filters, SIZE + 4));
	expect_puts(test, 1);
	KUNIT_EXPECT_EQ(test, 0, load(test, GUEST, guest, UUID_SIZE + 4));
	filters[SIZE + 3] = 1;
	guest[UUID_SIZE] = 1;
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, load(test, FILTERS, filters, SIZE + 4));
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, load(test, GUEST, guest, UUID_SIZE + 4));
	expect_puts(test, 0);
}

/* Load all records but those of one type. */
static void load_without(struct kunit *test, u16 type)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, port->dev->migration->load_begin(port->dev, 1, EARLY));
	for (i = 0; i < port->num_saved; i++)
		if (port->saved[i].type != type)
			KUNIT_ASSERT_EQ(test, 0, port->dev->migration->load(port->dev,
									    &port->saved[i]));
}

static void expect_guest(struct kunit *test, const uuid_t *want)
{
	KUNIT_EXPECT_TRUE(test, uuid_equal(&port->guest, want));
	KUNIT_EXPECT_TRUE(test, uuid_equal(vfio_mediate_guest(port->dev), want));
}

/* The ID of the guest comes along with its filters. */
static void test_guest(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops;
	struct vfio_mediate_record *record;
	uuid_t source, here, other;

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	request();
	KUNIT_ASSERT_EQ(test, 0, save(test));
	uuid_copy(&source, vfio_mediate_guest(port->dev));
	KUNIT_EXPECT_FALSE(test, uuid_is_null(&source));
	close_port();

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	ops = port->dev->migration;
	uuid_copy(&here, vfio_mediate_guest(port->dev));
	KUNIT_EXPECT_FALSE(test, uuid_equal(&here, &source));

	/* A state without it: the guest is this one. */
	load_without(test, GUEST);
	expect_guest(test, &here);
	KUNIT_EXPECT_EQ(test, 0, ops->apply(port->dev));
	expect_guest(test, &here);
	fail(test, -ECANCELED);
	expect_puts(test, 2);

	load_without(test, 0);
	expect_guest(test, &source);
	KUNIT_EXPECT_EQ(test, 0, ops->apply(port->dev));
	expect_guest(test, &source);
	ops->load_end(port->dev, 0);
	expect_guest(test, &source);
	KUNIT_EXPECT_EQ(test, port->drops, 0);
	expect_puts(test, 2);
	KUNIT_ASSERT_EQ(test, 0, save(test));
	KUNIT_EXPECT_MEMEQ(test, port->payload[0], &source, UUID_SIZE);

	/* After the filters, or once more with another ID: what came last holds. */
	uuid_gen(&other);
	load_without(test, GUEST);
	record = &port->saved[0];
	export_uuid(port->payload[0], &other);
	KUNIT_EXPECT_EQ(test, 0, ops->load(port->dev, record));
	expect_guest(test, &source);
	KUNIT_EXPECT_EQ(test, 0, ops->apply(port->dev));
	expect_guest(test, &other);
	fail(test, -ECANCELED);
	load_without(test, 0);
	expect_guest(test, &other);
	export_uuid(port->payload[0], &here);
	KUNIT_EXPECT_EQ(test, 0, ops->load(port->dev, record));
	KUNIT_EXPECT_EQ(test, 0, ops->apply(port->dev));
	expect_guest(test, &here);
	port->has_guest = false;
	fail(test, -ECANCELED);
	KUNIT_EXPECT_TRUE(test, port->has_guest);
	expect_puts(test, 4);

	memset(port->payload[0], 0, UUID_SIZE);
	KUNIT_EXPECT_EQ(test, -EINVAL, load(test, GUEST, port->payload[0], UUID_SIZE));
	expect_said(test, "kunit: record of guest: the ID is zero");
}

/* One line says which filters are refused, and by what that can be changed. */
static void test_refused(struct kunit *test)
{
	static const struct {
		int error;
		const char *line;
		bool hint;
	} refused[] = {
		{ -EPERM, "colour: ", true },
		{ -ENOSPC, "colour: ", true },
		{ -EADDRINUSE, "address of another VF: ", true },
		{ -EINVAL, "colour: ", false },
		{ -ENODEV, "colour: ", false },
	};
	const struct vfio_mediate_migration_ops *ops;
	char line[80];
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	request();
	KUNIT_ASSERT_EQ(test, 0, save(test));
	close_port();
	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	ops = port->dev->migration;

	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		snprintf(line, sizeof(line), "kunit: loaded state conflicts with its settings: %s",
			 refused[i].line);
		port->error = refused[i].error;
		KUNIT_EXPECT_EQ(test, port->error, load(test, FILTERS, port->payload[1], SIZE));
		KUNIT_EXPECT_EQ(test, 1, times_said(line));
		KUNIT_EXPECT_EQ(test, refused[i].hint, times_said("; change them with ip link"));
		expect_puts(test, 1);
	}

	/* Settings have changed since the record has come. The guest is the one of the state. */
	port->error = 0;
	load_without(test, 0);
	port->error = -EPERM;
	said_begin();
	KUNIT_EXPECT_EQ(test, -EPERM, ops->apply(port->dev));
	KUNIT_EXPECT_EQ(test, 1, times_said("conflicts with its settings"));
	KUNIT_EXPECT_MEMEQ(test, port->payload[0], vfio_mediate_guest(port->dev), UUID_SIZE);
	expect_guest(test, vfio_mediate_guest(port->dev));
	expect_puts(test, 2);
	fail(test, -EPERM);

	/* Filters are required. */
	load_without(test, FILTERS);
	said_begin();
	KUNIT_EXPECT_EQ(test, -EINVAL, ops->apply(port->dev));
	expect_said(test, "kunit: record of type 3: is missing");
	fail(test, -EINVAL);
	expect_puts(test, 0);
}

/* Both records come in pre-copy, and that of the filters again when these have changed. */
static void test_early(struct kunit *test)
{
	const struct vfio_mediate_migration_ops *ops;

	KUNIT_ASSERT_EQ(test, 0, open_port(test));
	ops = port->dev->migration;
	request();
	begin_save(test);
	KUNIT_EXPECT_EQ(test, 0, keep(test, ops->pre_copy));
	KUNIT_ASSERT_EQ(test, port->num_saved, 2);
	KUNIT_EXPECT_EQ(test, port->saved[0].type, GUEST);
	KUNIT_EXPECT_EQ(test, port->saved[1].type, FILTERS);
	KUNIT_EXPECT_EQ(test, 0, keep(test, ops->pre_copy));
	KUNIT_EXPECT_EQ(test, port->num_saved, 0);
	__set_bit(6, port->has.vlans);
	KUNIT_EXPECT_EQ(test, 0, keep(test, ops->pre_copy));
	KUNIT_ASSERT_EQ(test, port->num_saved, 1);
	KUNIT_EXPECT_EQ(test, port->saved[0].type, FILTERS);
	KUNIT_EXPECT_EQ(test, port->payload[0][COUNT], 3);
	KUNIT_EXPECT_EQ(test, 0, keep(test, ops->save));
	KUNIT_ASSERT_EQ(test, port->num_saved, 1);
	KUNIT_EXPECT_EQ(test, port->saved[0].type, OTHER);
	ops->save_end(port->dev);
}

/* Each rule for a network device is named. */
static void test_rules(struct kunit *test)
{
#define EXPECT_EINVAL(line, change)							\
	do {										\
		net = good;								\
		change;									\
		said_begin();								\
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL, open_port(test), "%s", #change);	\
		KUNIT_EXPECT_EQ_MSG(test, 1,						\
				    times_said("kunit: invalid description: " line), #change); \
		if (port->session)							\
			close_port();							\
	} while (0)

	EXPECT_EINVAL("net: get or put is missing", net.get = NULL);
	EXPECT_EINVAL("net: get or put is missing", net.put = NULL);
	EXPECT_EINVAL("net: 0 addresses, 1 to 32 are possible", net.num_macs = 0);
	EXPECT_EINVAL("net: 33 addresses, 1 to 32 are possible", net.num_macs = 33);
	EXPECT_EINVAL("net: 4096 VLANs, 4095 are possible", net.num_vlans = 4096);
	EXPECT_EINVAL("net: 4128 hashes, multiples of 32 up to 4096", net.num_hashes = 4128);
	EXPECT_EINVAL("net: 31 hashes, multiples of 32 up to 4096", net.num_hashes = 31);
	EXPECT_EINVAL("net: min_frame is 60, max_frame is 59", net.max_frame = 59);
#undef EXPECT_EINVAL
	net = good;
	net.num_macs = 32;
	net.num_vlans = 4095;
	KUNIT_EXPECT_EQ(test, 0, open_port(test));
}

static int filters_init(struct kunit *test)
{
	port = kunit_kzalloc(test, sizeof(*port), GFP_KERNEL);
	if (!port)
		return -ENOMEM;
	net = good;

	return vfio_pci_register_mediate_ops(&port_ops);
}

static void filters_exit(struct kunit *test)
{
	if (port && port->session)
		close_port();
	vfio_pci_unregister_mediate_ops(&port_ops);
}

static struct kunit_case filters_cases[] = {
	KUNIT_CASE(test_layout),
	KUNIT_CASE(test_malformed),
	KUNIT_CASE(test_lengths),
	KUNIT_CASE(test_guest),
	KUNIT_CASE(test_refused),
	KUNIT_CASE(test_early),
	KUNIT_CASE(test_rules),
	{ }
};

static struct kunit_suite filters_suite = {
	.name = "vfio_mediate_filters",
	.init = filters_init,
	.exit = filters_exit,
	.test_cases = filters_cases,
};

kunit_test_suite(filters_suite);
