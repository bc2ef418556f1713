import { renderHtml } from './html/page.ts';
import { renderMarkdown } from './markdown/markdown.ts';
import type { Report } from './schema.ts';

export const REPORT_FORMATS = ['html', 'json', 'markdown'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

const RENDER: Readonly<Record<ReportFormat, (report: Report) => string>> = {
  html: renderHtml,
  json: (report) => `${JSON.stringify(report, null, 2)}\n`,
  markdown: renderMarkdown,
};

/** The facts in one of their forms: a pure function of them. */
export function renderReport(report: Report, format: ReportFormat): string {
  return RENDER[format](report);
}

const ENDINGS: Readonly<Record<string, ReportFormat>> = {
  html: 'html',
  htm: 'html',
  json: 'json',
  md: 'markdown',
  markdown: 'markdown',
};

/** The form that a file's name asks for; undefined where it asks for none. */
export function formatOf(path: string): ReportFormat | undefined {
  const ending = /\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : undefined;
}
