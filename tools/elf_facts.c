/* SPDX-License-Identifier: MIT
 * A reader of ELF headers that checks every offset against the size of the file. */
#include "elf_facts.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "print.h"

#if UINTPTR_MAX > 0xffffffffu
enum { OWN_CLASS = ELFCLASS64 };
#else
enum { OWN_CLASS = ELFCLASS32 };
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { OWN_DATA = ELFDATA2LSB };
#else
enum { OWN_DATA = ELFDATA2MSB };
#endif

struct image {
    const uint8_t *bytes;
    size_t size;
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

static bool read_program_header(const struct image *image, const ElfW(Ehdr) * header, unsigned index, ElfW(Phdr) * out)
{
    return index < header->e_phnum &&
           read_part(image, (uint64_t)header->e_phoff + (uint64_t)index * sizeof *out, out, sizeof *out);
}

static bool is_go_note(const struct image *image, const ElfW(Phdr) * segment)
{
    static const char owner[4] = {'G', 'o', '\0', '\0'};
    uint64_t at = 0;
    ElfW(Nhdr) note;
    while (at < segment->p_filesz && read_part(image, segment->p_offset + at, &note, sizeof note)) {
        const void *name = part(image, segment->p_offset + at + sizeof note, sizeof owner);
        if (note.n_namesz == sizeof owner && name && memcmp(name, owner, sizeof owner) == 0)
            return true;
        at += sizeof note + (((uint64_t)note.n_namesz + 3) & ~3ull) + (((uint64_t)note.n_descsz + 3) & ~3ull);
    }
    return false;
}

/* Address in memory -> offset in the file. */
static bool file_offset(const struct image *image, const ElfW(Ehdr) * header, uint64_t address, uint64_t *at)
{
    ElfW(Phdr) segment;
    for (unsigned i = 0; read_program_header(image, header, i, &segment); i++)
        if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) {
            *at = segment.p_offset + (address - segment.p_vaddr);
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

static void read_needed(const struct image *image, const ElfW(Ehdr) * header, const ElfW(Phdr) * dynamic,
                        struct elf_facts *facts)
{
    ElfW(Dyn) entry;
    uint64_t strings = 0, base = 0;
    for (uint64_t at = 0; at < dynamic->p_filesz; at += sizeof entry) {
        if (!read_part(image, dynamic->p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_STRTAB)
            base = entry.d_un.d_ptr;
    }
    if (!file_offset(image, header, base, &strings))
        return;
    for (uint64_t at = 0; at < dynamic->p_filesz; at += sizeof entry) {
        if (!read_part(image, dynamic->p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            return;
        const char *name = entry.d_tag == DT_NEEDED ? text_at(image, strings + entry.d_un.d_val) : NULL;
        if (name && strstr(name, "libasan"))
            copy_text(facts->asan, sizeof facts->asan, name, strlen(name));
    }
}

static void inspect_segments(const struct image *image, const ElfW(Ehdr) * header, struct elf_facts *facts)
{
    ElfW(Phdr) segment;
    for (unsigned i = 0; read_program_header(image, header, i, &segment); i++) {
        if (segment.p_type == PT_INTERP) {
            const char *text = part(image, segment.p_offset, segment.p_filesz);
            facts->has_interpreter = true;
            copy_text(facts->interpreter, sizeof facts->interpreter, text ? text : "", text ? segment.p_filesz : 0);
        } else if (segment.p_type == PT_NOTE) {
            facts->is_go |= is_go_note(image, &segment);
        } else if (segment.p_type == PT_DYNAMIC) {
            read_needed(image, header, &segment, facts);
        }
    }
}

/* Go's linker names its sections so, also where it leaves out the note. */
static void inspect_sections(const struct image *image, const ElfW(Ehdr) * header, struct elf_facts *facts)
{
    ElfW(Shdr) names, section;
    if (!read_part(image, (uint64_t)header->e_shoff + (uint64_t)header->e_shstrndx * sizeof names, &names,
                   sizeof names))
        return;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (!read_part(image, (uint64_t)header->e_shoff + (uint64_t)i * sizeof section, &section, sizeof section))
            return;
        const char *name = text_at(image, (uint64_t)names.sh_offset + section.sh_name);
        facts->is_go |= name && (strcmp(name, ".go.buildid") == 0 || strcmp(name, ".note.go.buildid") == 0);
    }
}

static void inspect(const struct image *image, struct elf_facts *facts)
{
    ElfW(Ehdr) header;
    if (image->size < EI_NIDENT + 4 || memcmp(image->bytes, ELFMAG, SELFMAG) != 0)
        return;
    facts->is_elf = true;
    facts->elf_class = image->bytes[EI_CLASS];
    facts->data = image->bytes[EI_DATA];
    memcpy(&facts->machine, image->bytes + offsetof(ElfW(Ehdr), e_machine), sizeof facts->machine);
    if (facts->elf_class != OWN_CLASS || facts->data != OWN_DATA || !read_part(image, 0, &header, sizeof header))
        return;
    facts->is_inspected = true;
    inspect_segments(image, &header, facts);
    inspect_sections(image, &header, facts);
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
