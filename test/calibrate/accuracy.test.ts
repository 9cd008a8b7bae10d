import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAccuracy } from '../../src/calibrate/accuracy.js';

describe('readAccuracy', () => {
  it.each([
    ['0.873\n', 0.873],
    ['accuracy: 0.5', 0.5],
    ['loss 2.31, top-1 accuracy .75\n\n  \n', 0.75],
    ['epoch 1: 0.2\r\nacc=8.5e-1\r\n', 0.85],
    ['  3 %\r 50 %\r100 %\nacc 1', 1],
    ['\u001b[32macc 0.25\u001b[0m\n', 0.25],
    ['{"task": "mnist2", "accuracy": 0.91}', 0.91],
    ['0', 0],
  ])('reads %j', (output, accuracy) => {
    expect(readAccuracy(output)).toBe(accuracy);
  });

  it.each([
    ['', /^it printed nothing; the accuracy is the last number on the last line/],
    ['\n \n', /^it printed nothing/],
    ['0.5\ndone', /^there is no number on its last line "done"; the accuracy is the last number/],
    ['acc nan', /^there is no number on its last line "acc nan"/],
    ['resnet50', /no number/],
    [
      '1.7',
      /^it printed 1\.7, read from its last line "1\.7"; an accuracy is a fraction 0\.\.1; does it print per cent\?$/,
    ],
    ['accuracy 87.3 %', /^it printed 87\.3 %, .*; does it print per cent\?$/],
    ['0.9%', /^it printed 0\.9 %, .*per cent\?$/],
    ['-0.5', /^it printed -0\.5, .*; an accuracy is a fraction 0\.\.1$/],
    ['0.873 (873 of 1000)', /^it printed 1000, read from its last line "0\.873 \(873 of 1000\)"/],
    ['1e999', /^it printed 1e999/],
  ])('says what is wrong with %j', (output, problem) => {
    expect(readAccuracy(output)).toMatch(problem);
  });

  it('reads back every fraction that a program prints last, whatever stands before it', () => {
    const words = fc.stringMatching(/^[a-z :=,0-9.\n-]*$/);
    fc.assert(
      fc.property(words, fc.double({ min: 0, max: 1, noNaN: true }), (before, accuracy) => {
        expect(readAccuracy(`${before}\nacc ${accuracy}\n`)).toBe(accuracy + 0);
      }),
    );
  });

  it('does not fail on any output', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (output) => {
        const read = readAccuracy(output);
        expect(typeof read === 'string' || (read >= 0 && read <= 1)).toBe(true);
      }),
    );
  });
});
