/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of all tests of migration: two VFs that mediator_state mediates. Each test
 * says under which parameters of mediator_state it runs, and by which interface.
 */
#ifndef MIGRATE_FIXTURE_H
#define MIGRATE_FIXTURE_H

#include "check.h"
#include "migrate.h"

#define STATE_BIG	 "size=1048576 record_max=131072 p2p=Y hints=0 features=3 used_features=2"
#define STATE_SMALL	 "size=4096 p2p=N hints=0"
/* By an iommufd it is migrated only if it is known what it writes. */
#define STATE_CDEV	 "size=65536 p2p=Y hints=0 tracked=Y"
#define STATE_CONCURRENT "size=262144 p2p=Y hints=2"

FIXTURE(migrate) {
	struct migrate from;
	struct migrate to;
	unsigned int wrong;		/* callbacks that should not have come before */
};

FIXTURE_VARIANT(migrate) {
	const char *parameters;		/* of mediator_state */
	enum vfio_client_mode mode;
};

FIXTURE_SETUP(migrate)
{
	module_load("mediator_state", variant->parameters);
	/* What a test may have left that did not come to its end */
	vendor_fails("", 0);
	vendor_set("late_ms", "0");
	vendor_set("match", "0");
	vendor_set("registered", "1");
	self->wrong = vendor_get("wrong");
	migrate_open(&self->from, lab_vf(0), variant->mode);
	migrate_open(&self->to, lab_vf(1), variant->mode);
}

FIXTURE_TEARDOWN(migrate)
{
	/* No callback came when it should not have, and both devices run */
	EXPECT_EQ(self->wrong, vendor_get("wrong"));
	EXPECT_EQ(2, vendor_get("running"));
	migrate_close(&self->from);
	migrate_close(&self->to);
	end_checks(_metadata);
}

#endif /* MIGRATE_FIXTURE_H */
