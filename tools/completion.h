/* SPDX-License-Identifier: MIT
 * What may stand where the cursor is. The shells' scripts ask for it by `resctl completion words -- WORD...'. */
#ifndef RESCTL_COMPLETION_H
#define RESCTL_COMPLETION_H

/* completion_words(count, words): words[0] is resctl, the last one is what is being typed, perhaps "". Prints a
 * candidate a line, "CANDIDATE<TAB>what it is"; ":files" or ":commands": the shell knows better. A candidate that ends
 * with '=' or '/' is to be continued. Never complains. */
void completion_words(int count, char **words);

#endif
