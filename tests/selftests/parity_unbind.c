// SPDX-License-Identifier: GPL-2.0-only
/*
 * parity: the driver is taken off the device while the device is open.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "parity.h"

#define REQUEST_TIMEOUT_MS 10000

/* The driver link of the device, resolved; 0 or a negative errno */
static int driver_path(struct parity *p, char *path)
{
	char link[64];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/driver",
		 p->dev.bdf);
	return realpath(link, path) ? 0 : -errno;
}

/*
 * Unbind in a process of its own, because it blocks until the device is
 * closed; that process must not keep the device open itself.
 */
static pid_t start_unbind(struct parity *p, const char *driver)
{
	char path[PATH_MAX + 8];
	pid_t pid = fork();
	int fd, len;

	if (pid)
		return pid;

	vfio_client_close(&p->dev);
	snprintf(path, sizeof(path), "%s/unbind", driver);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		_exit(errno);

	len = strlen(p->dev.bdf);
	_exit(write(fd, p->dev.bdf, len) == len ? 0 : errno);
}

/* Whoever has the device open is asked to release it, and then it is gone */
int parity_unbind(struct parity *p)
{
	struct pollfd request = { .fd = parity_eventfd(), .events = POLLIN };
	enum vfio_client_mode mode = p->dev.mode;
	char driver[PATH_MAX], gone[PATH_MAX], bdf[sizeof(p->dev.bdf)];
	int ret, status;
	pid_t pid, ended;

	memcpy(bdf, p->dev.bdf, sizeof(bdf));
	ret = vfio_client_open(&p->dev, bdf, mode);
	if (!ret)
		ret = driver_path(p, driver);
	if (ret)
		return parity_set_up_failed(p, "open to unbind", ret);

	ret = parity_set_fd(p, VFIO_PCI_REQ_IRQ_INDEX, request.fd);
	parity_call(p, ret, NULL, "unbind/set-req");

	pid = start_unbind(p, driver);
	ret = poll(&request, 1, REQUEST_TIMEOUT_MS);
	parity_text(p, ret == 1 ? "requested" : "not requested",
		    "unbind/while-open");
	ended = waitpid(pid, &status, WNOHANG);
	parity_text(p, ended ? "ended" : "waits", "unbind/until-closed");
	vfio_client_close(&p->dev);
	close(request.fd);

	if (!ended)
		ended = waitpid(pid, &status, 0);
	if (ended != pid || !WIFEXITED(status))
		return parity_set_up_failed(p, "unbind", -ECHILD);
	parity_call(p, -WEXITSTATUS(status), NULL, "unbind/closed");
	parity_wrong(p, driver_path(p, gone), "unbind/driver");
	return 0;
}
