/* SPDX-License-Identifier: MIT
 * A reader of ELF headers of both classes that checks every offset against the size of the file. */
#include "elf_facts.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { OWN_DATA = ELFDATA2LSB };
#else
enum { OWN_DATA = ELFDATA2MSB };
#endif

struct image {
    const uint8_t *bytes;
    size_t size;
    bool wide; /* ELFCLASS64 */
    uint64_t segments_at, sections_at;
    unsigned segments, sections, names; /* names: the section that holds their names */
};

/* The parts of headers that we use, whatever their class. */
struct segment {
    uint32_t type;
    uint64_t offset, address, bytes;
};
struct section {
    uint32_t name;
    uint64_t offset;
};
struct dynamic {
    int64_t tag;
    uint64_t value;
};

/* NULL unless [at, at + size) lies within the file. */
static const void *part(const struct image *image, uint64_t at, uint64_t size)
{
    return at <= image->size && size <= image->size - at ? image->bytes + at : NULL;
}

/* Headers are copied out: their place in the file may be unaligned. */
static bool read_part(const struct image *image, uint64_t at, void *out, size_t size)
{
    const void *found = part(image, at, size);
    if (found)
        memcpy(out, found, size);
    return found != NULL;
}

/* READ(image, at, Type, out, ...): reads Elf64_Type or Elf32_Type at `at` into h64 or h32 and makes *out of it. */
#define READ(image, at, Type, out, ...)                                                                                \
    do {                                                                                                               \
        Elf64_##Type h64;                                                                                              \
        Elf32_##Type h32;                                                                                              \
        if ((image)->wide ? !read_part(image, at, &h64, sizeof h64) : !read_part(image, at, &h32, sizeof h32))         \
            return false;                                                                                              \
        if ((image)->wide)                                                                                             \
            *(out) = MAKE_##Type(h64);                                                                                 \
        else                                                                                                           \
            *(out) = MAKE_##Type(h32);                                                                                 \
    } while (0)
#define MAKE_Phdr(h)         ((struct segment){(h).p_type, (h).p_offset, (h).p_vaddr, (h).p_filesz})
#define MAKE_Shdr(h)         ((struct section){(h).sh_name, (h).sh_offset})
#define MAKE_Dyn(h)          ((struct dynamic){(h).d_tag, (h).d_un.d_val})
#define SIZE_OF(image, Type) ((image)->wide ? sizeof(Elf64_##Type) : sizeof(Elf32_##Type))

static bool read_segment(const struct image *image, unsigned index, struct segment *out)
{
    if (index >= image->segments)
        return false;
    READ(image, image->segments_at + (uint64_t)index * SIZE_OF(image, Phdr), Phdr, out);
    return true;
}

static bool read_section(const struct image *image, unsigned index, struct section *out)
{
    READ(image, image->sections_at + (uint64_t)index * SIZE_OF(image, Shdr), Shdr, out);
    return true;
}

static bool read_dynamic(const struct image *image, uint64_t at, struct dynamic *out)
{
    READ(image, at, Dyn, out);
    return out->tag != DT_NULL;
}

static bool is_go_note(const struct image *image, const struct segment *segment)
{
    static const char owner[4] = {'G', 'o', '\0', '\0'};
    uint64_t at = 0;
    Elf64_Nhdr note; /* the same in both classes */
    while (at < segment->bytes && read_part(image, segment->offset + at, &note, sizeof note)) {
        const void *name = part(image, segment->offset + at + sizeof note, sizeof owner);
        if (note.n_namesz == sizeof owner && name && memcmp(name, owner, sizeof owner) == 0)
            return true;
        at += sizeof note + (((uint64_t)note.n_namesz + 3) & ~3ull) + (((uint64_t)note.n_descsz + 3) & ~3ull);
    }
    return false;
}

/* Address in memory -> offset in the file. */
static bool file_offset(const struct image *image, uint64_t address, uint64_t *at)
{
    struct segment segment;
    for (unsigned i = 0; read_segment(image, i, &segment); i++)
        if (segment.type == PT_LOAD && address >= segment.address && address - segment.address < segment.bytes) {
            *at = segment.offset + (address - segment.address);
            return true;
        }
    return false;
}

/* A text at this offset, with its NUL in the file; NULL when there is none. */
static const char *text_at(const struct image *image, uint64_t at)
{
    const char *text = part(image, at, 1);
    return text && memchr(text, '\0', image->size - (size_t)at) ? text : NULL;
}

static bool has_text(const struct image *image, uint64_t at, uint64_t bytes, const char *text, size_t size)
{
    const void *table = part(image, at, bytes);
    return table && memmem(table, (size_t)bytes, text, size);
}

/* The names of the libraries, and of the symbols, in the string table that the dynamic section names. */
static void read_names(const struct image *image, const struct segment *segment, struct elf_facts *facts)
{
    static const char loaders[][9] = {"\0dlopen", "\0dlmopen"};
    struct dynamic entry;
    uint64_t strings = 0, base = 0, bytes = 0, step = SIZE_OF(image, Dyn);
    for (uint64_t at = 0; at < segment->bytes && read_dynamic(image, segment->offset + at, &entry); at += step) {
        base = entry.tag == DT_STRTAB ? entry.value : base;
        bytes = entry.tag == DT_STRSZ ? entry.value : bytes;
    }
    if (!file_offset(image, base, &strings))
        return;
    facts->needs_nothing = true;
    for (uint64_t at = 0; at < segment->bytes && read_dynamic(image, segment->offset + at, &entry); at += step) {
        const char *name = entry.tag == DT_NEEDED ? text_at(image, strings + entry.value) : NULL;
        facts->needs_nothing &= entry.tag != DT_NEEDED;
        if (name && strstr(name, "libasan"))
            copy_text(facts->asan, sizeof facts->asan, name, strlen(name));
    }
    facts->loads_modules = has_text(image, strings, bytes, loaders[0], sizeof "\0dlopen") ||
                           has_text(image, strings, bytes, loaders[1], sizeof "\0dlmopen");
}

static void inspect_segments(const struct image *image, struct elf_facts *facts)
{
    struct segment segment;
    for (unsigned i = 0; read_segment(image, i, &segment); i++) {
        if (segment.type == PT_INTERP) {
            const char *text = part(image, segment.offset, segment.bytes);
            facts->has_interpreter = true;
            copy_text(facts->interpreter, sizeof facts->interpreter, text ? text : "",
                      text ? (size_t)segment.bytes : 0);
        } else if (segment.type == PT_NOTE) {
            facts->is_go |= is_go_note(image, &segment);
        } else if (segment.type == PT_DYNAMIC) {
            read_names(image, &segment, facts);
        }
    }
}

/* Go's linker names its sections so, also where it leaves out the note. */
static void inspect_sections(const struct image *image, struct elf_facts *facts)
{
    struct section names, section;
    if (!read_section(image, image->names, &names))
        return;
    for (unsigned i = 0; i < image->sections && read_section(image, i, &section); i++) {
        const char *name = text_at(image, names.offset + section.name);
        facts->is_go |= name && (strcmp(name, ".go.buildid") == 0 || strcmp(name, ".note.go.buildid") == 0);
    }
}

static bool read_header(struct image *image)
{
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;
    if (image->wide ? !read_part(image, 0, &h64, sizeof h64) : !read_part(image, 0, &h32, sizeof h32))
        return false;
#define TAKE(h)                                                                                                        \
    image->segments_at = (h).e_phoff, image->segments = (h).e_phnum, image->sections_at = (h).e_shoff,                 \
    image->sections = (h).e_shnum, image->names = (h).e_shstrndx
    if (image->wide)
        TAKE(h64);
    else
        TAKE(h32);
    return true;
}

static void inspect(struct image *image, struct elf_facts *facts)
{
    if (image->size < sizeof(Elf32_Ehdr) || memcmp(image->bytes, ELFMAG, SELFMAG) != 0)
        return;
    facts->is_elf = true;
    facts->elf_class = image->bytes[EI_CLASS];
    facts->data = image->bytes[EI_DATA];
    memcpy(&facts->machine, image->bytes + offsetof(Elf32_Ehdr, e_machine), sizeof facts->machine);
    image->wide = facts->elf_class == ELFCLASS64;
    if (facts->data != OWN_DATA || !read_header(image))
        return;
    facts->is_inspected = true;
    inspect_segments(image, facts);
    inspect_sections(image, facts);
}

bool elf_read(const char *path, struct elf_facts *facts)
{
    struct stat st;
    memset(facts, 0, sizeof *facts);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool ok = fstat(fd, &st) == 0;
    if (ok && S_ISREG(st.st_mode) && st.st_size > 0) {
        struct image image = {.size = (size_t)st.st_size};
        void *bytes = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
        ok = bytes != MAP_FAILED;
        if (ok) {
            image.bytes = bytes;
            inspect(&image, facts);
            munmap(bytes, image.size);
        }
    }
    close(fd);
    return ok;
}
