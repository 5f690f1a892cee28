/** Storage classes that do not suit a replica. */

const WARNINGS: Readonly<Record<string, string>> = {
  GLACIER: 'objects of this class cannot be read before they are brought back, so nothing can be restored at once',
  DEEP_ARCHIVE: 'objects of this class cannot be read before they are brought back, so nothing can be restored at once',
  GLACIER_IR: 'every object is billed as 128 KB for 90 days at least, and most files of a replica are smaller and live shorter',
  STANDARD_IA: 'every object is billed as 128 KB for 30 days at least, and most files of a replica are smaller and live shorter',
  ONEZONE_IA: 'every object is billed as 128 KB for 30 days at least, and the data is lost with its zone',
};

/** What speaks against a storage class, as the rest of a sentence; undefined when nothing is known to. */
export const storageClassWarning = (storageClass: string): string | undefined =>
  Object.hasOwn(WARNINGS, storageClass.toUpperCase()) ? WARNINGS[storageClass.toUpperCase()] : undefined;
