// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake vendor, and what is under test.
 */

/* The driver has the tracepoints. */
#define NOTRACE

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "migration.h"

/* A VF of a fake PF costs nothing. */
#define pci_num_vf(pdev)	((void)(pdev), fake.num_vfs)

#include "../../vfio-pci/names.c"
#include "../../migration/stats.c"
#include "../../migration/mig.c"
#include "../../migration/transfer.c"
#include "../../migration/file.c"
#include "../../migration/engine.c"
#include "../../migration/v1.c"

/* Without a device there is nothing to be flushed, and nothing to have a region. */
void vpm_reset_flush(struct vpm_device *vpm)
{
}

void vpm_trap_flush(struct vpm_device *vpm)
{
}

int vfio_pci_core_register_dev_region(struct vfio_pci_core_device *core, unsigned int type,
				      unsigned int subtype, const struct vfio_pci_regops *ops,
				      size_t size, u32 flags, void *data)
{
	return -EOPNOTSUPP;
}

struct fake_vendor fake;

static void note(char letter)
{
	if (fake.calls < FAKE_LOG - 1)
		fake.log[fake.calls++] = letter;
}

static int note_level(char letter, enum vpm_level level)
{
	note(letter);

	return fake.errors[level];
}

static int fake_run(struct vfio_mediate_device *dev)
{
	return note_level('r', VPM_RUNNING);
}

static int fake_quiesce(struct vfio_mediate_device *dev)
{
	return note_level('q', VPM_QUIESCED);
}

static int fake_stop(struct vfio_mediate_device *dev)
{
	return note_level('s', VPM_STOPPED);
}

static u64 fake_size(struct vfio_mediate_device *dev)
{
	return FAKE_SIZE;
}

static int fake_save_as(struct vfio_mediate_device *dev, u32 *version, u64 *features)
{
	if (fake.version)
		*version = fake.version;
	if (fake.features)
		*features = fake.features;

	return 0;
}

static int fake_match(struct vfio_mediate_device *dev, const struct vfio_mediate_source *source)
{
	fake.source = *source;

	return fake.match_error;
}

static int fake_save_begin(struct vfio_mediate_device *dev)
{
	if (fake.begin_error)
		return fake.begin_error;
	fake.saving++;

	return 0;
}

static void fake_save_end(struct vfio_mediate_device *dev)
{
	fake.saving--;
}

/* As a reset of a PF may that nobody here waits for. */
static void maybe_lose(unsigned int index)
{
	if (fake.lose && index == fake.lose_index)
		vpm_mig_note_loss(fake.lose, true);
}

/* Record n has type n and n + 1 bytes. */
static int fake_save_record(struct vfio_mediate_device *dev,
			    struct vfio_mediate_record *record)
{
	if (fake.save_error && record->index == fake.save_index)
		return fake.save_error;
	if (record->index == FAKE_RECORDS)
		return 0;

	maybe_lose(record->index);
	record->type = record->index;
	record->length = record->index + 1;
	memset(record->data, 'a' + record->index, record->length);

	return 1;
}

static int fake_pre_copy(struct vfio_mediate_device *dev,
			 struct vfio_mediate_record *record)
{
	if (fake.pre_copied == fake.pre_copies)
		return 0;

	fake.pre_copied++;
	record->type = 100;
	record->length = 4;
	record->optional = true;
	memcpy(record->data, "soon", 4);

	return 1;
}

static bool fake_pre_copy_size(struct vfio_mediate_device *dev, u64 *initial,
			       u64 *changed)
{
	bool anew = fake.anew;

	*initial = 4 * (fake.pre_copies - fake.pre_copied);
	*changed = 1;
	fake.anew = false;

	return anew;
}

static int fake_load_begin(struct vfio_mediate_device *dev, u32 version,
			   u64 features)
{
	fake.begun++;
	fake.loaded = 0;

	return fake.load_error;
}

static int fake_load(struct vfio_mediate_device *dev,
		     const struct vfio_mediate_record *record)
{
	const u8 *data = record->data;

	if (record->type >= FAKE_RECORDS)
		return -EOPNOTSUPP;
	if (record->length != record->type + 1 || *data != 'a' + record->type)
		return -EINVAL;
	maybe_lose(record->type);
	fake.loaded |= BIT(record->type);

	return 0;
}

static int fake_apply(struct vfio_mediate_device *dev)
{
	maybe_lose(FAKE_RECORDS);
	fake.applied++;
	if (fake.loaded != BIT(FAKE_RECORDS) - 1)
		return -EINVAL;

	return fake.apply_error;
}

static void fake_load_end(struct vfio_mediate_device *dev, int error)
{
	fake.ended++;
	fake.end_error = error;
	note(error ? 'c' : 'a');
}

static const struct vfio_mediate_migration_ops fake_migration = {
	.version = 5,
	.min_version = 3,
	.run = fake_run,
	.quiesce = fake_quiesce,
	.stop = fake_stop,
	.size = fake_size,
	.save_as = fake_save_as,
	.save_begin = fake_save_begin,
	.save_end = fake_save_end,
	.save = fake_save_record,
	.pre_copy = fake_pre_copy,
	.pre_copy_size = fake_pre_copy_size,
	.match = fake_match,
	.load_begin = fake_load_begin,
	.load = fake_load,
	.apply = fake_apply,
	.load_end = fake_load_end,
};

static int fake_open(struct pci_dev *pdev, struct vfio_mediate_device *dev)
{
	dev->migration = &fake_migration;

	return 0;
}

static void fake_release(struct vfio_mediate_device *dev)
{
}

static const struct vfio_pci_mediate_ops fake_ops = {
	.name = "fake",
	.owner = THIS_MODULE,
	.open = fake_open,
	.release = fake_release,
};

int fake_register(void)
{
	memset(&fake, 0, sizeof(fake));

	return vfio_pci_register_mediate_ops(&fake_ops);
}

void fake_unregister(void)
{
	vfio_pci_unregister_mediate_ops(&fake_ops);
}

void fake_forget(void)
{
	memset(fake.log, 0, sizeof(fake.log));
	fake.calls = 0;
}

static void fake_detached(void *data)
{
	struct fake_device *device = data;

	vpm_mig_detach(device->mig);
}

struct fake_device *fake_open_device(struct kunit *test, bool p2p)
{
	static const struct vpm_identity id = {
		.name = "fake",
		.version = 5,
		.min_version = 3,
		.known = 0x30,
		.record_max = VFIO_MEDIATE_RECORD_MAX,
	};
	struct fake_device *device;
	struct pci_dev *pdev;

	device = kunit_kzalloc(test, sizeof(*device), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, device);
	device->vdev = kunit_kzalloc(test, sizeof(*device->vdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, device->vdev);
	device->vdev->migration_flags = VFIO_MIGRATION_STOP_COPY |
					VFIO_MIGRATION_PRE_COPY |
					(p2p ? VFIO_MIGRATION_P2P : 0);
	pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->dev.init_name = "kunit";

	device->session = vfio_mediate_open(pdev, NULL, fake_detached, device);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, device->session);
	device->mig = vpm_mig_create(device->vdev, pdev, device->session, &id);
	KUNIT_ASSERT_NOT_NULL(test, device->mig);
	mutex_init(&device->v1.lock);
	device->v1.mig = device->mig;
	device->v1.data = vzalloc(VPM_V1_DATA_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, device->v1.data);

	return device;
}

void fake_close_device(struct fake_device *device)
{
	vpm_mig_close(device->mig);
	vfio_mediate_close(device->session);
	vpm_mig_put(device->mig);
	vfree(device->v1.data);
}

enum vfio_device_mig_state fake_state(struct fake_device *device)
{
	enum vfio_device_mig_state state;

	vpm_mig_lock(device->mig);
	state = device->mig->state;
	vpm_mig_unlock(device->mig);

	return state;
}

int fake_set(struct fake_device *device, enum vfio_device_mig_state state)
{
	struct vpm_mig *mig = device->mig;
	int ret;

	vpm_mig_lock(mig);
	ret = vpm_mig_claim(mig, VPM_PROTOCOL_V2);
	if (!ret)
		ret = vpm_mig_set_state(mig, state);
	if (mig->transfer && mig->transfer->filp) {
		fput(mig->transfer->filp);
		mig->transfer->filp = NULL;
	}
	vpm_mig_unlock(mig);

	return ret;
}

struct vpm_transfer *fake_transfer(struct fake_device *device)
{
	struct vpm_transfer *transfer;

	vpm_mig_lock(device->mig);
	transfer = device->mig->transfer;
	if (transfer)
		vpm_transfer_get(transfer);
	vpm_mig_unlock(device->mig);

	return transfer;
}

int fake_precopy_info(struct vpm_transfer *transfer)
{
	struct vfio_precopy_info info = {};
	int ret;

	vpm_mig_lock(transfer->mig);
	ret = get_precopy_info(transfer, &info);
	vpm_mig_unlock(transfer->mig);

	return ret;
}

static ssize_t read_to(struct vpm_transfer *transfer, void *to, size_t size, bool nonblock)
{
	struct kvec vec = { to, size };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_DEST, &vec, 1, size);

	return vpm_transfer_read(transfer, &iter, nonblock);
}

ssize_t fake_read(struct vpm_transfer *transfer, void *to, size_t size)
{
	return read_to(transfer, to, size, true);
}

ssize_t fake_read_wait(struct vpm_transfer *transfer, void *to, size_t size)
{
	return read_to(transfer, to, size, false);
}

ssize_t fake_write(struct vpm_transfer *transfer, const void *from, size_t size)
{
	struct kvec vec = { (void *)from, size };
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_SOURCE, &vec, 1, size);

	return vpm_transfer_write(transfer, &iter);
}

size_t fake_save(struct kunit *test, struct fake_device *device)
{
	struct vpm_transfer *transfer;
	ssize_t size;

	KUNIT_ASSERT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP));
	KUNIT_ASSERT_EQ(test, 0, fake_set(device, VFIO_DEVICE_STATE_STOP_COPY));
	transfer = fake_transfer(device);
	KUNIT_ASSERT_NOT_NULL(test, transfer);
	size = fake_read(transfer, device->stream, sizeof(device->stream));
	KUNIT_EXPECT_GT(test, size, 0);
	KUNIT_EXPECT_LT(test, size, sizeof(device->stream));
	KUNIT_EXPECT_EQ(test, 0, fake_read(transfer, device->stream + size, 1));
	vpm_transfer_put(transfer);

	return size;
}

void fake_go(struct kunit *test, struct fake_device *device,
	     enum vfio_device_mig_state state)
{
	struct vpm_transfer *transfer;
	ssize_t size;

	if (state == VFIO_DEVICE_STATE_ERROR) {
		fake.errors[VPM_STOPPED] = -ENOTRECOVERABLE;
		KUNIT_ASSERT_EQ(test, -ENOTRECOVERABLE,
				fake_set(device, VFIO_DEVICE_STATE_STOP));
		fake.errors[VPM_STOPPED] = 0;
		return;
	}
	if (state != VFIO_DEVICE_STATE_RESUMING) {
		KUNIT_ASSERT_EQ(test, 0, fake_set(device, state));
		return;
	}

	size = fake_save(test, device);
	KUNIT_ASSERT_EQ(test, 0, fake_set(device, state));
	transfer = fake_transfer(device);
	KUNIT_ASSERT_NOT_NULL(test, transfer);
	KUNIT_EXPECT_EQ(test, size, fake_write(transfer, device->stream, size));
	vpm_transfer_put(transfer);
}

static size_t v1_width(u64 offset)
{
	return offset < V1_PENDING ? sizeof(u32) : sizeof(u64);
}

int fake_v1_read(struct fake_device *device, u64 offset, u64 *value)
{
	*value = 0;

	return vpm_v1_access(&device->v1, offset, v1_width(offset), value, false);
}

int fake_v1_write(struct fake_device *device, u64 offset, u64 value)
{
	return vpm_v1_access(&device->v1, offset, v1_width(offset), &value, true);
}

MODULE_IMPORT_NS(VFIO_MEDIATE_HOST_NS);
