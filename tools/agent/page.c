/* SPDX-License-Identifier: MIT
 * page.html, as the assembler puts it into the program. */
#include "web.h"

__asm__(".pushsection .rodata\n"
        ".globl web_page_begin\n"
        ".hidden web_page_begin\n"
        "web_page_begin:\n"
        ".incbin \"tools/agent/page.html\"\n"
        ".globl web_page_end\n"
        ".hidden web_page_end\n"
        "web_page_end:\n"
        ".byte 0\n"
        ".popsection\n");
