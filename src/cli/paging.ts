/** Whole listings out of verbs that answer in pages. */

const PAGE_SIZE = 500;

interface Page {
  readonly page: { readonly next_cursor?: string | undefined };
}

/** Calls `read` until there is no next page. */
export async function readAllPages<P extends Page>(
  read: (paging: { readonly limit: number; readonly cursor?: string }) => Promise<P>,
): Promise<readonly P[]> {
  const pages = [await read({ limit: PAGE_SIZE })];
  for (let cursor = pages[0]?.page.next_cursor; cursor !== undefined; ) {
    const page = await read({ limit: PAGE_SIZE, cursor });
    pages.push(page);
    cursor = page.page.next_cursor;
  }
  return pages;
}
