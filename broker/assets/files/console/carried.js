// What one view hands to another for as long as the page is open.

export const carried = { token: '' };
