/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests and their tools have in common: how they end when they cannot go
 * on, the VFs of the lab, and modules and their parameters.
 */
#ifndef TESTLIB_H
#define TESTLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>

#include <linux/types.h>

#include "kselftest.h"
#include "vfio_client.h"

#define PAGE_4K 4096u

/**
 * die() - End the process, and with it the test that it runs
 * @fmt: what has failed that is not under test
 */
__printf(1, 2)
noreturn void die(const char *fmt, ...);

/**
 * env_number() - A number from the environment
 * @name: name of the variable
 * @otherwise: the number when there is no such variable
 */
unsigned int env_number(const char *name, unsigned int otherwise);

/**
 * lab_vf() - PCI address of a VF that can be tested
 * @number: its place in the environment's LAB_VFS
 */
const char *lab_vf(unsigned int number);

/**
 * open_device() - Open a device, which may still be in use by a test that was ended
 * @c: client to initialise
 * @bdf: PCI address
 * @mode: interface to open it through
 *
 * Return: 0 or a negative errno, that of the last attempt.
 */
int open_device(struct vfio_client *c, const char *bdf, enum vfio_client_mode mode);

/* A parameter of a module; 0 or a negative errno, or whether there is one */
int param_set(const char *module, const char *name, const char *value);
bool param_get(const char *module, const char *name, char *value, size_t size);

/* The same for a number that must be there */
unsigned int param_number(const char *module, const char *name);

/* The first line of a file of a PCI device in sysfs, or whether that is this; it must be there */
void sysfs_line(const char *bdf, const char *name, char *line, size_t size);
bool sysfs_is(const char *bdf, const char *name, const char *want);

/**
 * module_load() - Load a module, unless it is loaded with the same parameters
 * @module: its name
 * @parameters: as modprobe and sysfs have them, with a blank between two
 */
void module_load(const char *module, const char *parameters);

/* Find a capability of a region or interrupt info; NULL when there is none */
const void *find_cap(const void *info, __u32 size, __u32 offset, __u16 id);

#endif /* TESTLIB_H */
