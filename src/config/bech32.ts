/** Whether a word in bech32 is as it was written down: a mistyped age key is found when the configuration is read. */

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/** True when the checksum in the last six letters fits. Either case, not both. */
export function isBech32(word: string): boolean {
  const text = word.toLowerCase();
  const split = text.lastIndexOf('1');
  if (split < 1 || text.length - split < 7 || (word !== text && word !== word.toUpperCase())) return false;
  const prefix = [...text.slice(0, split)].map((letter) => letter.charCodeAt(0));
  const data = [...text.slice(split + 1)].map((letter) => ALPHABET.indexOf(letter));
  if (data.includes(-1)) return false;
  return polymod([...prefix.map((code) => code >> 5), 0, ...prefix.map((code) => code & 31), ...data]) === 1;
}

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    GENERATOR.forEach((term, bit) => {
      if ((top >>> bit) & 1) sum ^= term;
    });
  }
  return sum >>> 0;
}
