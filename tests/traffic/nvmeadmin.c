// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvmeadmin DEVICE OPCODE CDW10 CDW11 [SIZE]: has the controller execute an admin command.
 *
 * Bytes of standard input are its data, up to SIZE; what it has read is there as well. Prints
 * the status, the result, and the first eight bytes of the data as a number. The exit status is
 * 1 when the driver could not do it.
 */
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	uint8_t *data = aligned_alloc(4096, 4096);
	struct nvme_admin_cmd cmd = { 0 };
	uint64_t number;
	int file, status;

	if (!data)
		return 2;
	memset(data, 0, 4096);
	file = argc < 5 ? -1 : open(argv[1], O_RDWR);
	if (file < 0) {
		fprintf(stderr, "nvmeadmin DEVICE OPCODE CDW10 CDW11 [SIZE]\n");
		return 2;
	}
	cmd.opcode = strtoul(argv[2], NULL, 0);
	cmd.cdw10 = strtoul(argv[3], NULL, 0);
	cmd.cdw11 = strtoul(argv[4], NULL, 0);
	if (argc > 5) {
		cmd.data_len = strtoul(argv[5], NULL, 0);
		if (cmd.data_len > 4096 || read(0, data, cmd.data_len) < 0) {
			fprintf(stderr, "nvmeadmin: no data\n");
			return 2;
		}
		cmd.addr = (uintptr_t)data;
	}
	status = ioctl(file, NVME_IOCTL_ADMIN_CMD, &cmd);
	if (status < 0) {
		perror("nvmeadmin");
		return 1;
	}
	memcpy(&number, data, sizeof(number));
	printf("%#x %#x %#llx\n", status, cmd.result, (unsigned long long)number);
	return 0;
}
