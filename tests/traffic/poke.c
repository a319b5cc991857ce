// SPDX-License-Identifier: GPL-2.0-only
/*
 * poke FILE OFFSET VALUE: writes 32 bits into a BAR, that is a resourceN of sysfs.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	uint32_t *bar;
	size_t offset;
	struct stat st;
	int fd;

	if (argc != 4)
		errx(2, "usage: poke FILE OFFSET VALUE");
	offset = strtoul(argv[2], NULL, 0);
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", argv[1]);
	if (offset + 4 > (size_t)st.st_size || offset % 4)
		errx(2, "%s: nothing at %#zx", argv[1], offset);
	bar = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		err(1, "mmap");
	/* Without a locked instruction: KVM would log that it emulates one for a trapped page. */
	__atomic_store_n(&bar[offset / 4], strtoul(argv[3], NULL, 0), __ATOMIC_RELAXED);

	return 0;
}
