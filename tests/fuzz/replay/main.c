/* SPDX-License-Identifier: MIT
 * main() of a harness without libFuzzer: every file given, and every file of a directory given, runs once. Prints how
 * many there were. */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned runs;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    MUST(file && fstat(fileno(file), &st) == 0);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    MUST(bytes);
    size_t length = fread(bytes, 1, (size_t)st.st_size, file);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one named is the one that crashed */
    LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
    runs++;
}

static void run_directory(DIR *directory, const char *path)
{
    for (struct dirent *entry; (entry = readdir(directory));) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        run_file(name);
    }
    closedir(directory);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        if (directory)
            run_directory(directory, argv[i]);
        else
            run_file(argv[i]);
    }
    fprintf(stderr, "ok %u runs\n", runs);
    return 0;
}
