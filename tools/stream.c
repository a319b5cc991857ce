// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-mediate-stream: print and check a migration stream, see Documentation/stream-format.rst. The
 * input is untrusted.
 */
#define _GNU_SOURCE

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "crc32c.h"
#include "format.h"

enum {
	EXIT_VALID = 0,
	EXIT_INVALID = 1,
	EXIT_FAILED = 2,
};

static bool json, print_payload;

/* Number of stream bytes that were read so far */
static unsigned long long offset;

/*
 * Read an item. Return: NULL, or an error text if the stream ends early. The caller checks
 * ferror().
 */
static const char *read_item(FILE *file, void *to, size_t size)
{
	size_t done = fread(to, 1, size, file);

	offset += done;

	return done == size ? NULL : "truncated stream";
}

/* Print text as a JSON string, also for the plain output. */
static void print_text(const __u8 *text, size_t size)
{
	size_t i;

	putchar('"');
	for (i = 0; i < size && text[i]; i++)
		if (isascii(text[i]) && isprint(text[i]) && text[i] != '"' &&
		    text[i] != '\\')
			putchar(text[i]);
		else
			printf("\\u%04x", text[i]);
	putchar('"');
}

static const char *check_header(const struct vpm_format_header *header)
{
	size_t i;

	if (memcmp(header->magic, VPM_FORMAT_MAGIC, VPM_FORMAT_MAGIC_SIZE))
		return "bad magic: not a vfio-mediate stream";
	if (le16toh(header->format) != VPM_FORMAT)
		return "unknown stream format";
	if (le32toh(header->crc) !=
	    (__u32)~crc32c(~0, header, offsetof(struct vpm_format_header, crc)))
		return "corrupt header";
	if (header->reserved || header->reserved2)
		return "unknown header fields";

	i = strnlen((const char *)header->name, VPM_FORMAT_NAME_SIZE);
	if (!i || i == VPM_FORMAT_NAME_SIZE)
		return "vendor name is empty or not terminated";
	for (; i < VPM_FORMAT_NAME_SIZE; i++)
		if (header->name[i])
			return "data after the vendor name";

	return NULL;
}

static void print_header(const struct vpm_format_header *header)
{
	printf(json ? "\"format\": %u, \"vendor_ops\": " : "format      %u\nvendor ops  ",
	       le16toh(header->format));
	print_text(header->name, VPM_FORMAT_NAME_SIZE);
	printf(json ? ", \"version\": %u, " : "\nversion     %u\n",
	       le32toh(header->version));
	printf(json ? "\"device\": \"%04x:%04x\", \"subsystem\": \"%04x:%04x\", " :
		      "device      %04x:%04x\nsubsystem   %04x:%04x\n",
	       le16toh(header->ids[0]), le16toh(header->ids[1]),
	       le16toh(header->ids[2]), le16toh(header->ids[3]));
	printf(json ? "\"features\": \"%#llx\", " : "features    %#llx\n",
	       (unsigned long long)le64toh(header->features));
}

static void print_data(const __u8 *data, size_t size)
{
	size_t i;

	if (json) {
		printf(", \"data\": \"");
		for (i = 0; i < size; i++)
			printf("%02x", data[i]);
		putchar('"');
		return;
	}
	for (i = 0; i < size; i++)
		printf("%s%02x%s", i % 16 ? " " : "              ", data[i],
		       i % 16 == 15 || i == size - 1 ? "\n" : "");
}

static void print_record(const struct vpm_format_record *record, unsigned long long at,
			 const __u8 *data, bool first)
{
	bool optional = le16toh(record->flags) & VPM_FORMAT_OPTIONAL;
	__u32 sequence = le32toh(record->sequence);
	__u32 length = le32toh(record->length);
	__u16 type = le16toh(record->type);

	if (json) {
		printf("%s{\"offset\": %llu, \"type\": %u, ", first ? "" : ", ", at,
		       type);
		printf("\"vendor\": %s, \"optional\": %s, \"length\": %u",
		       type < VPM_FORMAT_END ? "true" : "false",
		       optional ? "true" : "false", length);
	} else if (type == VPM_FORMAT_END) {
		printf("%-10llu  end\n", at);
	} else {
		printf("%-10llu  record %u, type %#x%s%s, %u bytes\n", at, sequence,
		       type, type < VPM_FORMAT_END ? "" : " of the framework",
		       optional ? ", optional" : "", length);
	}
	if (print_payload)
		print_data(data, length);
	if (json)
		putchar('}');
}

/* Read, check and print a record. Set *@end for the end record. Return: NULL or an error text. */
static const char *read_record(FILE *file, __u32 sequence, bool *end)
{
	static __u8 data[VPM_FORMAT_MAX_LENGTH];
	struct vpm_format_record record;
	unsigned long long at = offset;
	const char *error;
	__u32 length, crc;

	error = read_item(file, &record, sizeof(record));
	if (error)
		return error;
	length = le32toh(record.length);
	if (length > VPM_FORMAT_MAX_LENGTH)
		return "record is too long";
	error = read_item(file, data, length);
	if (error)
		return error;
	crc = crc32c(~0, &record, offsetof(struct vpm_format_record, crc));
	if (le32toh(record.crc) != (__u32)~crc32c(crc, data, length))
		return "corrupt record";

	print_record(&record, at, data, !sequence);
	if (le16toh(record.flags) & ~VPM_FORMAT_OPTIONAL)
		return "unknown record flags";
	if (le32toh(record.sequence) != sequence)
		return "records are missing or out of order";
	*end = le16toh(record.type) == VPM_FORMAT_END;
	if (*end)
		return length || record.flags ? "invalid end record" : NULL;
	if (le16toh(record.type) > VPM_FORMAT_END && !record.flags)
		return "unknown record type";

	return NULL;
}

static const char *read_records(FILE *file)
{
	const char *error = NULL;
	__u32 sequence = 0;
	bool end = false;

	if (json)
		printf("\"records\": [");
	while (!error && !end)
		error = read_record(file, sequence++, &end);
	if (json)
		printf("], ");
	if (!error && getc(file) != EOF)
		error = "data after the end record";

	return error;
}

static const char *read_stream(FILE *file)
{
	struct vpm_format_header header;
	const char *error;

	error = read_item(file, &header, sizeof(header));
	if (!error)
		error = check_header(&header);
	if (error)
		return error;

	print_header(&header);

	return read_records(file);
}

static int print_stream(const char *name, FILE *file)
{
	const char *error;

	if (json)
		putchar('{');
	error = read_stream(file);
	if (ferror(file))
		error = "read error";
	if (json && error)
		printf("\"bytes\": %llu, \"error\": \"%s\"}\n", offset, error);
	else if (json)
		printf("\"bytes\": %llu, \"error\": null}\n", offset);
	else if (!error)
		printf("%llu bytes, complete\n", offset);
	if (error)
		fprintf(stderr, "%s: byte %llu: %s\n", name, offset, error);

	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "standard output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	if (ferror(file))
		return EXIT_FAILED;

	return error ? EXIT_INVALID : EXIT_VALID;
}

static void print_help(FILE *to)
{
	fputs("usage: vfio-mediate-stream [--json] [--data] [FILE]\n"
	      "\n"
	      "Print and check a migration stream of vfio-pci-mediate. Read standard\n"
	      "input if FILE is missing or -.\n"
	      "\n"
	      "  --json     print one JSON object\n"
	      "  --data     also print the payload of records\n"
	      "  --version  print the version\n"
	      "  --help     print this help\n"
	      "\n"
	      "Exit status: 0 if the stream is complete and valid, 1 if not, 2 after a\n"
	      "read error or wrong usage.\n",
	      to);
}

static int usage_error(void)
{
	print_help(stderr);

	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	const char *name = NULL;
	FILE *file = stdin;
	int arg, ret;

	for (arg = 1; arg < argc; arg++) {
		if (!strcmp(argv[arg], "--help")) {
			print_help(stdout);
			return EXIT_VALID;
		}
		if (!strcmp(argv[arg], "--version")) {
			puts("vfio-mediate-stream " VERSION);
			return EXIT_VALID;
		}

		if (!strcmp(argv[arg], "--json"))
			json = true;
		else if (!strcmp(argv[arg], "--data"))
			print_payload = true;
		else if (!name && (*argv[arg] != '-' || !argv[arg][1]))
			name = argv[arg];
		else
			return usage_error();
	}

	if (!name || !strcmp(name, "-"))
		name = "standard input";
	else
		file = fopen(name, "re");
	if (!file) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return EXIT_FAILED;
	}
	ret = print_stream(name, file);
	if (file != stdin)
		fclose(file);

	return ret;
}
