/** LZ4 frames made by another program (`lz4` 1.9.4, with the options shown), to be read by ours. */

export interface FrameSample {
  readonly title: string;
  readonly options: string;
  readonly content: Uint8Array;
  readonly frame: Uint8Array;
}

/** 150,000 bytes of 97 lines over and over. */
function lines(): Uint8Array {
  let text = '';
  for (let line = 0; text.length < 150_000; line++) text += `line ${line % 97} of the sample\n`;
  return Buffer.from(text.slice(0, 150_000));
}

/** 300 bytes that do not compress. */
function noise(): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: 300 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

const fromBase64 = (...parts: string[]): Uint8Array => Uint8Array.from(Buffer.from(parts.join(''), 'base64'));

export const FRAME_SAMPLES: readonly FrameSample[] = [
  {
    title: 'independent blocks of 64 KiB',
    options: '-B4',
    content: lines(),
    frame: fromBase64(
      'BCJNGGRApyEDAADxBmxpbmUgMCBvZiB0aGUgc2FtcGxlChUAHzEVAAEfMhUAAR8zFQABHzQVAAEfNRUAAR82FQABHzcVAAEfOBUAAR85FQABHz',
      'HTAAMP1AACHzHVAAIfMdYAAh8x1wACHzHYAAIfMdkAAh8x2gACHzHbAAIfMdwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AAC',
      'HzLcAAIfMtwAAh8y3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfNNwAAh803AACHzTcAAIfNN',
      'wAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AAC',
      'HzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfN9wAAh833AACHzfcAAIfN9wAAh833AACHzfcAAIfN9',
      'wAAh833AACHzfcAAIfN9wAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzncAAIfOdwAAh853AAC',
      'HzncAAIfOdwAAh853AACHzncAAIPmQACD5gAAg+XAAIPlgACD5UAAg+UAAIPkwACD24BAw83CAEPbAECD0wI//////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '///////////////////////////////////////////////////////////////////////////////////7xQbXBsZQrxAgAA8gdsaW5lIDgz',
      'IG9mIHRoZSBzYW1wbGUKFgAfNBYAAh81FgACHzYWAAIfNxYAAh84FgACHzkWAAEvOTAWAAIfMRYAAh8yFgACD9wAAh853AACHzncAAIfOdwAAg',
      '+ZAAIPmAACD5cAAg+WAAIPlQACD5QAAg+TAAIPbgEDDxUBAg8VAAEfMdMAAw/UAAIfMdUAAh8x1gACHzHXAAIfMdgAAh8x2QACHzHaAAIfMUgC',
      'Ah8xSAICHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHz',
      'PcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzXcAAIfNdwA',
      'Ah813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHz',
      'bcAAIfNtwAAh833AACHzfcAAIfN9wAAh833AACHzfcAAIfN9wAAh833AACHzfcAAIfN9wAAh833AACHzjcAAIfONwAAh843AACD0wI////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////+PUG1wbG',
      'UKOgIAAPEHbGluZSA2OSBvZiB0aGUgc2FtcGxlChYALzcwFgACHzEWAAIfMhYAAh8zFgACHzQWAAIfNRYAAh82FgACHzcWAAIfOBYAAg/cAAIf',
      'ONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh853AACHzncAAIfOdwAAh853AACHzncAAIfOdwAAh853A',
      'ACD5kAAg+YAAIPlwACD5YAAg+VAAIPlAACD5MAAg9uAQMPSQIBD2wBAh8x0wADD9QAAh8x1QACHzHWAAIfMdcAAh8x2AACHzHZAAIfMdoAAh8x',
      'SAICHzHcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAA',
      'IfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNdwAAh81',
      '3AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAA',
      'IfNtwAAg9MCP//////////////////////////////////////////////////////////////////////////////////////yFA2MCBvZgAA',
      'AACW/spb',
    ),
  },
  {
    title: 'linked blocks of 64 KiB',
    options: '-B4 -BD',
    content: lines(),
    frame: fromBase64(
      'BCJNGERAXiEDAADxBmxpbmUgMCBvZiB0aGUgc2FtcGxlChUAHzEVAAEfMhUAAR8zFQABHzQVAAEfNRUAAR82FQABHzcVAAEfOBUAAR85FQABHz',
      'HTAAMP1AACHzHVAAIfMdYAAh8x1wACHzHYAAIfMdkAAh8x2gACHzHbAAIfMdwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AAC',
      'HzLcAAIfMtwAAh8y3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfNNwAAh803AACHzTcAAIfNN',
      'wAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AAC',
      'HzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfN9wAAh833AACHzfcAAIfN9wAAh833AACHzfcAAIfN9',
      'wAAh833AACHzfcAAIfN9wAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzncAAIfOdwAAh853AAC',
      'HzncAAIfOdwAAh853AACHzncAAIPmQACD5gAAg+XAAIPlgACD5UAAg+UAAIPkwACD24BAw83CAEPbAECD0wI//////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '///////////////////////////////////////////////////////////////////////////////////7xQbXBsZQoKAQAAD+j4////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '///+hQbXBsZQo6AgAA8QdsaW5lIDY5IG9mIHRoZSBzYW1wbGUKFgAvNzAWAAIfMRYAAh8yFgACHzMWAAIfNBYAAh81FgACHzYWAAIfNxYAAh84',
      'FgACD9wAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzncAAIfOdwAAh853AACHzncAAIfOdwAAh',
      '853AACHzncAAIPmQACD5gAAg+XAAIPlgACD5UAAg+UAAIPkwACD24BAw9JAgEPbAECHzHTAAMP1AACHzHVAAIfMdYAAh8x1wACHzHYAAIfMdkA',
      'Ah8x2gACHzFIAgIfMdwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzPcAAIfM9wAAh8z3AACHz',
      'PcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwA',
      'Ah813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHz',
      'bcAAIfNtwAAh823AACD0wI///////////////////////////////////////////////////////////////////////////////////////I',
      'UDYwIG9mAAAAAJb+yls=',
    ),
  },
  {
    title: 'linked blocks, block checksums, content size',
    options: '-B4 -BX -BD --content-size',
    content: lines(),
    frame: fromBase64(
      'BCJNGFxA8EkCAAAAAADpIQMAAPEGbGluZSAwIG9mIHRoZSBzYW1wbGUKFQAfMRUAAR8yFQABHzMVAAEfNBUAAR81FQABHzYVAAEfNxUAAR84FQ',
      'ABHzkVAAEfMdMAAw/UAAIfMdUAAh8x1gACHzHXAAIfMdgAAh8x2QACHzHaAAIfMdsAAh8x3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y',
      '3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh803AACHzTcAA',
      'IfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh81',
      '3AACHzXcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh833AACHzfcAAIfN9wAAh833AACHzfcAA',
      'IfN9wAAh833AACHzfcAAIfN9wAAh833AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfOdwAAh85',
      '3AACHzncAAIfOdwAAh853AACHzncAAIfOdwAAg+ZAAIPmAACD5cAAg+WAAIPlQACD5QAAg+TAAIPbgEDDzcIAQ9sAQIPTAj///////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////vFBtcGxlCu9B71kK',
      'AQAAD+j4//////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '///////////////////+hQbXBsZQqxHW2+OgIAAPEHbGluZSA2OSBvZiB0aGUgc2FtcGxlChYALzcwFgACHzEWAAIfMhYAAh8zFgACHzQWAAIf',
      'NRYAAh82FgACHzcWAAIfOBYAAg/cAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh853AACHzncAA',
      'IfOdwAAh853AACHzncAAIfOdwAAh853AACD5kAAg+YAAIPlwACD5YAAg+VAAIPlAACD5MAAg9uAQMPSQIBD2wBAh8x0wADD9QAAh8x1QACHzHW',
      'AAIfMdcAAh8x2AACHzHZAAIfMdoAAh8xSAICHzHcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh',
      '8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh803AACHzTc',
      'AAIfNNwAAh803AACHzTcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh823AACHzbcAAIfNtwAAh',
      '823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAg9MCP//////////////////////////////////////////////////////////////////',
      '////////////////////yFA2MCBvZtidJX0AAAAAlv7KWw==',
    ),
  },
  {
    title: 'one block of up to 4 MiB, no content checksum',
    options: '-B7 --no-frame-crc',
    content: lines(),
    frame: fromBase64(
      'BCJNGGBQ+2wEAADxBmxpbmUgMCBvZiB0aGUgc2FtcGxlChUAHzEVAAEfMhUAAR8zFQABHzQVAAEfNRUAAR82FQABHzcVAAEfOBUAAR85FQABHz',
      'HTAAMP1AACHzHVAAIfMdYAAh8x1wACHzHYAAIfMdkAAh8x2gACHzHbAAIfMdwAAh8y3AACHzLcAAIfMtwAAh8y3AACHzLcAAIfMtwAAh8y3AAC',
      'HzLcAAIfMtwAAh8y3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfM9wAAh8z3AACHzPcAAIfNNwAAh803AACHzTcAAIfNN',
      'wAAh803AACHzTcAAIfNNwAAh803AACHzTcAAIfNNwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AACHzXcAAIfNdwAAh813AAC',
      'HzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfNtwAAh823AACHzbcAAIfN9wAAh833AACHzfcAAIfN9wAAh833AACHzfcAAIfN9',
      'wAAh833AACHzfcAAIfN9wAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzjcAAIfONwAAh843AACHzncAAIfOdwAAh853AAC',
      'HzncAAIfOdwAAh853AACHzncAAIPmQACD5gAAg+XAAIPlgACD5UAAg+UAAIPkwACD24BAw83CAEPbAECD0wI//////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '//////////////////////////////////////////////////////////////////////////////////////////////////////////////',
      '/////////////////////////////////////////////////////////////////////////////////////3UDYwIG9mAAAAAA==',
    ),
  },
  {
    title: 'a stored block',
    options: '-B5',
    content: noise(),
    frame: fromBase64(
      'BCJNGGRApywBAIA8XoG0DF7GjgSjQGyX1jz73FOuiDcaElEhtZVhQ8DuLVX7Y4x3/uC29fknX68pfiyX31QE8zvUBmILWCHPaCWcy+4CB//NdG',
      'Sr97t9aiXmv6KUiQ1rkPJWxkbp8G5uWgWpv3F/10gAWakUSzc+xYCdk/t6TPy4oHOZHvDTAjGPBI95dHEErvO8gc5Zo/dMx5WUIwaQ1hQK9TlS',
      'S2/AVD0asayFfGIDsxXdppx7tD2uWWKdwcz8zE7YGaYJEjC+TqrXatRmnw+XUXofABznY5mATn/zFkbJfXq/3nGrMJoi/lxNQRg7YOzCKMKjiV',
      'nJY4M/YZmrYrign8bH+87yV41AL29ino5D8x3LHNdoJMJYwq1iYefPDa9u3C9Vsvqp1YPUb4Iqws7fe129JQEAAAAA+PddEg==',
    ),
  },
];
