// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOMMU mode of upstream's tests that have none of their own. They take
 * iommufd; on a kernel without it, IOMMU_MODE in the environment says what else.
 */

#include <stdlib.h>

extern const char *default_iommu_mode;	/* libvfio's */

__attribute__((constructor))
static void iommu_mode_from_environment(void)
{
	const char *mode = getenv("IOMMU_MODE");

	if (mode)
		default_iommu_mode = mode;
}
